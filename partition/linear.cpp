#include "partition/linear.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>

#include "ir/structure.h"

namespace tessera {
namespace {

// How a value depends on the chosen reads. Zero counts as independent and as linear.
enum class Kind : uint8_t { zero, independent, linear, other };

Kind sum_of(Kind a, Kind b) {
  if (a == Kind::zero) return b;
  if (b == Kind::zero) return a;
  return a == b ? a : Kind::other;
}

bool fixed(Kind kind) {
  return kind == Kind::zero || kind == Kind::independent;
}

bool is_zero(const Scalar& value) {
  return is_float(value.type) ? value.f == 0 : value.i == 0;
}

using Kinds = std::unordered_map<const ExprNode*, Kind>;
using Set = std::set<Tensor>;

Kind kind_of_apply(const Expr& expr, const Apply& apply, const Kinds& known) {
  std::vector<Kind> args;
  for (const Expr& arg : apply.args) args.push_back(known.at(&arg.node()));
  switch (apply.fn) {
    case Fn::neg:
      return args[0];
    case Fn::add:
    case Fn::sub:
      return sum_of(args[0], args[1]);
    case Fn::mul:
      if (fixed(args[0]) && args[1] == Kind::linear) return Kind::linear;
      if (fixed(args[1]) && args[0] == Kind::linear) return Kind::linear;
      break;
    case Fn::div:
      if (fixed(args[1]) && args[0] == Kind::linear) return Kind::linear;
      break;
    case Fn::where:
      if (fixed(args[0])) return sum_of(args[1], args[2]);
      break;
    case Fn::cast:
      if (is_float(expr.type()) && is_float(apply.args[0].type())) return args[0];
      break;
    default:
      break;
  }
  return std::all_of(args.begin(), args.end(), fixed) ? Kind::independent : Kind::other;
}

Kind kind_of(const Expr& expr, const std::function<bool(const Read&)>& member, const Kinds& known) {
  if (const Constant* constant = as<Constant>(expr))
    return is_zero(constant->value) ? Kind::zero : Kind::independent;
  if (const Apply* apply = as<Apply>(expr)) return kind_of_apply(expr, *apply, known);
  const Read* read = as<Read>(expr);
  if (read == nullptr) return Kind::independent;
  for (const Index& index : read->indices)
    if (!fixed(known.at(&index.value.node()))) return Kind::other;
  if (!member(*read)) return Kind::independent;
  return !read->pad || is_zero(*read->pad) ? Kind::linear : Kind::other;
}

void add_set(std::vector<Set>& sets, const Set& set, size_t limit) {
  if (sets.size() < limit && std::find(sets.begin(), sets.end(), set) == sets.end())
    sets.push_back(set);
}

// From which arguments, [begin, end), a linear value may come, as kind_of_apply has it.
std::pair<size_t, size_t> linear_args(const Apply& apply) {
  switch (apply.fn) {
    case Fn::neg:
    case Fn::cast:
    case Fn::div:
      return {0, 1};
    case Fn::add:
    case Fn::sub:
    case Fn::mul:
      return {0, 2};
    case Fn::where:
      return {1, 3};
    default:
      return {0, 0};
  }
}

// The tensors that are read where the body cannot be linear in what stands there: inside of other
// functions, in indices, divisors and conditions.
Set read_elsewhere(const Expr& body) {
  Set found;
  std::set<std::pair<const ExprNode*, bool>> seen;
  std::vector<std::pair<Expr, bool>> open = {{body, true}};
  while (!open.empty()) {
    const auto [node, linear] = open.back();
    open.pop_back();
    if (!seen.emplace(&node.node(), linear).second) continue;
    if (const Read* read = as<Read>(node); read != nullptr && !linear) found.insert(read->tensor);
    const Apply* apply = as<Apply>(node);
    const auto [begin, end] = apply != nullptr ? linear_args(*apply) : std::pair<size_t, size_t>{};
    const std::vector<Expr> below = children(node);
    for (size_t k = 0; k < below.size(); ++k)
      open.emplace_back(below[k], linear && begin <= k && k < end);
  }
  return found;
}

// Sets that may do; linear_in decides.
std::vector<Set> candidates(const Expr& expr, size_t limit, const Set& without,
                            std::unordered_map<const ExprNode*, std::vector<Set>>& known) {
  if (const auto it = known.find(&expr.node()); it != known.end()) return it->second;
  std::vector<Set> sets;
  if (const Read* read = as<Read>(expr); read != nullptr && without.count(read->tensor) == 0)
    sets.push_back({read->tensor});
  if (const Apply* apply = as<Apply>(expr)) {
    const bool joins = apply->fn == Fn::add || apply->fn == Fn::sub || apply->fn == Fn::where;
    const auto [begin, end] = linear_args(*apply);
    for (size_t k = begin; k < end; ++k) {
      const std::vector<Set> found = candidates(apply->args[k], limit, without, known);
      if (found.empty()) continue;
      std::vector<Set> next = joins ? std::vector<Set>{} : sets;
      if (sets.empty() || !joins) {
        for (const Set& set : found) add_set(next, set, limit);
      } else {
        for (const Set& left : sets)
          for (const Set& right : found) {
            Set both = left;
            both.insert(right.begin(), right.end());
            add_set(next, both, limit);
          }
      }
      sets = next;
    }
  }
  return known[&expr.node()] = sets;
}

}  // namespace

bool linear_in(const Expr& body, const std::function<bool(const Read&)>& member) {
  Kinds known;
  for (const Expr& expr : subexpressions(body)) known[&expr.node()] = kind_of(expr, member, known);
  return known.at(&body.node()) == Kind::linear;
}

std::vector<std::vector<Tensor>> linear_sets(const Expr& body, size_t limit) {
  std::vector<std::vector<Tensor>> result;
  std::unordered_map<const ExprNode*, std::vector<Set>> known;
  for (const Set& set : candidates(body, limit, read_elsewhere(body), known)) {
    const bool numeric =
        std::none_of(set.begin(), set.end(), [](const Tensor& t) { return t.type() == DType::b8; });
    if (numeric && linear_in(body, [&set](const Read& read) { return set.count(read.tensor) > 0; }))
      result.emplace_back(set.begin(), set.end());
  }
  return result;
}

namespace {

// How a value depends on the chosen reads.
enum class Rise : uint8_t { independent, rises, other };

bool is_positive_constant(const Expr& expr) {
  const Constant* constant = as<Constant>(expr);
  return constant != nullptr && is_float(constant->value.type) && constant->value.f > 0 &&
         std::isfinite(constant->value.f);
}

Rise rise_of_apply(const Expr& expr, const Apply& apply, ReduceOp op,
                   const std::vector<Rise>& args) {
  const auto count = [&](Rise rise) { return std::count(args.begin(), args.end(), rise); };
  if (count(Rise::other) > 0) return Rise::other;
  const auto rising = count(Rise::rises);
  if (rising == 0) return Rise::independent;
  const bool single = rising == 1;
  switch (apply.fn) {
    case Fn::max:
    case Fn::min:
      return single || apply.fn == function_of(op) ? Rise::rises : Rise::other;
    case Fn::add:
      return single && is_float(expr.type()) ? Rise::rises : Rise::other;
    case Fn::sub:
      return is_float(expr.type()) && args[1] == Rise::independent ? Rise::rises : Rise::other;
    case Fn::mul:
      return single && is_positive_constant(apply.args[args[0] == Rise::rises ? 1 : 0])
                 ? Rise::rises
                 : Rise::other;
    case Fn::div:
      return args[1] == Rise::independent && is_positive_constant(apply.args[1]) ? Rise::rises
                                                                                 : Rise::other;
    case Fn::where:
      return args[0] == Rise::independent ? Rise::rises : Rise::other;
    case Fn::exp:
    case Fn::tanh:
    case Fn::erf:
      return Rise::rises;
    case Fn::cast:
      return is_float(expr.type()) && is_float(apply.args[0].type()) ? Rise::rises : Rise::other;
    default:
      return Rise::other;
  }
}

}  // namespace

bool rises_in(const Expr& body, ReduceOp op, const std::function<bool(const Read&)>& member) {
  std::unordered_map<const ExprNode*, Rise> known;
  for (const Expr& expr : subexpressions(body)) {
    Rise& rise = known[&expr.node()];
    rise = Rise::independent;
    if (const Apply* apply = as<Apply>(expr)) {
      std::vector<Rise> args;
      for (const Expr& arg : apply->args) args.push_back(known.at(&arg.node()));
      known[&expr.node()] = rise_of_apply(expr, *apply, op, args);
    } else if (const Read* read = as<Read>(expr)) {
      const bool fixed = std::all_of(
          read->indices.begin(), read->indices.end(),
          [&](const Index& index) { return known.at(&index.value.node()) == Rise::independent; });
      known[&expr.node()] = !fixed ? Rise::other : member(*read) ? Rise::rises : Rise::independent;
    }
  }
  return known.at(&body.node()) == Rise::rises;
}

std::vector<std::vector<Tensor>> rising_sets(const Expr& body, ReduceOp op,
                                             const std::vector<Tensor>& tensors) {
  std::vector<std::vector<Tensor>> result;
  const auto add = [&](const std::vector<Tensor>& set) {
    if (set.empty() || std::find(result.begin(), result.end(), set) != result.end()) return;
    const auto member = [&](const Read& read) {
      return std::find(set.begin(), set.end(), read.tensor) != set.end();
    };
    if (rises_in(body, op, member)) result.push_back(set);
  };
  for (const Tensor& tensor : tensors) add({tensor});
  add(tensors);
  return result;
}

}  // namespace tessera
