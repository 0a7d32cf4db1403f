#include "ir/index_range.h"

#include <algorithm>

#include "base/error.h"
#include "ir/floor_division.h"
#include "ir/part_range.h"

namespace tessera {
namespace {

// Bounds stay within ±2^62: whatever reaches that is out of every range, and no sum of two
// overflows.
__extension__ typedef __int128 Wide;
constexpr int64_t kFar = int64_t{1} << 62;

int64_t clamp(Wide value) {
  return static_cast<int64_t>(std::clamp<Wide>(value, -kFar, kFar));
}

// Nothing when a coefficient overflows.
std::optional<Affine> scale(const Affine& a, int64_t factor) {
  Affine result;
  if (factor == 0) return result;
  if (__builtin_mul_overflow(a.constant, factor, &result.constant)) return std::nullopt;
  for (const auto& [dim, coefficient] : a.terms)
    if (__builtin_mul_overflow(coefficient, factor, &result.terms[dim])) return std::nullopt;
  return result;
}

std::optional<Affine> add(const Affine& a, const Affine& b) {
  Affine result = a;
  if (__builtin_add_overflow(a.constant, b.constant, &result.constant)) return std::nullopt;
  for (const auto& [dim, coefficient] : b.terms) {
    int64_t& sum = result.terms[dim];
    if (__builtin_add_overflow(sum, coefficient, &sum)) return std::nullopt;
    if (sum == 0) result.terms.erase(dim);
  }
  return result;
}

std::optional<Affine> subtract(const Affine& a, const Affine& b) {
  const std::optional<Affine> negated = scale(b, -1);
  return negated ? add(a, *negated) : std::nullopt;
}

std::optional<Affine> affine_apply(const ExprNode& node, const Apply& apply) {
  if (is_small_integer(node.type)) return std::nullopt;  // it may wrap
  if (apply.fn == Fn::cast && is_integer(node.type) && is_integer(apply.args[0].type()))
    return affine_form(apply.args[0]);
  std::vector<Affine> args;
  for (const Expr& arg : apply.args) {
    const std::optional<Affine> form = affine_form(arg);
    if (!form) return std::nullopt;
    args.push_back(*form);
  }
  switch (apply.fn) {
    case Fn::neg:
      return scale(args[0], -1);
    case Fn::add:
      return add(args[0], args[1]);
    case Fn::sub:
      return subtract(args[0], args[1]);
    case Fn::mul:
      if (args[0].terms.empty()) return scale(args[1], args[0].constant);
      if (args[1].terms.empty()) return scale(args[0], args[1].constant);
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

// Interval arithmetic (Moore, 1966) over the integer functions; `range_of` says what an argument
// is.
template <typename RangeOf>
std::optional<IndexRange> range_apply(const Apply& apply, const RangeOf& range_of) {
  std::vector<IndexRange> args;
  for (const Expr& arg : apply.args) {
    if (!is_integer(arg.type())) {
      if (apply.fn == Fn::where && args.empty()) {
        args.push_back({0, 1});
        continue;
      }
      return std::nullopt;
    }
    const std::optional<IndexRange> range = range_of(arg);
    const bool folded = apply.fn == Fn::mod && args.empty();  // whatever it is
    if (!range && !folded) return std::nullopt;
    args.push_back(range ? *range : IndexRange{least(arg.type()), greatest(arg.type())});
  }
  const auto corners = [&](auto&& f) {
    const auto list = {f(args[0].low, args[1].low), f(args[0].low, args[1].high),
                       f(args[0].high, args[1].low), f(args[0].high, args[1].high)};
    return IndexRange{std::min(list), std::max(list)};
  };
  switch (apply.fn) {
    case Fn::cast:
      return args[0];
    case Fn::neg:
      return IndexRange{-args[0].high, -args[0].low};
    case Fn::mul:
      return corners([](int64_t a, int64_t b) { return clamp(Wide{a} * b); });
    case Fn::min:
      return corners([](int64_t a, int64_t b) { return std::min(a, b); });
    case Fn::max:
      return corners([](int64_t a, int64_t b) { return std::max(a, b); });
    case Fn::add:
      return IndexRange{clamp(Wide{args[0].low} + args[1].low),
                        clamp(Wide{args[0].high} + args[1].high)};
    case Fn::sub:
      return IndexRange{clamp(Wide{args[0].low} - args[1].high),
                        clamp(Wide{args[0].high} - args[1].low)};
    case Fn::where:
      return IndexRange{std::min(args[1].low, args[2].low), std::max(args[1].high, args[2].high)};
    case Fn::floordiv:
      if (args[1].low <= 0) return std::nullopt;
      return corners(floor_div);
    case Fn::mod:
      if (args[1].low <= 0) return std::nullopt;
      if (args[1].low == args[1].high &&
          floor_div(args[0].low, args[1].low) == floor_div(args[0].high, args[1].low)) {
        const int64_t base = floor_div(args[0].low, args[1].low) * args[1].low;
        return IndexRange{args[0].low - base, args[0].high - base};
      }
      return IndexRange{0, args[1].high - 1};
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Dim> Affine::plain() const {
  if (constant != 0 || terms.size() != 1 || terms.begin()->second != 1) return std::nullopt;
  return terms.begin()->first;
}

std::optional<Affine> affine_form(const Expr& index) {
  const IndexFacts* facts = index.node().index.get();
  return facts != nullptr ? facts->affine : std::nullopt;
}

Expr to_expr(const Affine& affine, const SourceLocation& where) {
  std::optional<Expr> sum;
  for (const auto& [dim, coefficient] : affine.terms) {
    Expr term = make_index(dim, where);
    if (coefficient != 1)
      term = make_apply(
          Fn::mul, {make_constant(Scalar::of_int(DType::i32, coefficient), where), term}, where);
    sum = sum ? make_apply(Fn::add, {*sum, term}, where) : term;
  }
  if (!sum) return make_constant(Scalar::of_int(DType::i32, affine.constant), where);
  if (affine.constant == 0) return *sum;
  const Fn fn = affine.constant > 0 ? Fn::add : Fn::sub;
  const int64_t amount = affine.constant > 0 ? affine.constant : -affine.constant;
  return make_apply(fn, {*sum, make_constant(Scalar::of_int(DType::i32, amount), where)}, where);
}

std::optional<IndexRange> index_range(const Expr& index) {
  const IndexFacts* facts = index.node().index.get();
  return facts != nullptr ? facts->range : std::nullopt;
}

namespace {

std::optional<Affine> find_affine(const ExprNode& node) {
  if (const auto* constant = std::get_if<Constant>(&node.kind)) {
    if (is_float(constant->value.type)) return std::nullopt;
    return Affine{{}, constant->value.i};
  }
  if (const auto* plain = std::get_if<IndexOf>(&node.kind)) return Affine{{{plain->dim, 1}}, 0};
  const auto* apply = std::get_if<Apply>(&node.kind);
  return apply != nullptr ? affine_apply(node, *apply) : std::nullopt;
}

template <typename Part>
std::optional<IndexRange> range_of(const Affine& affine, const Part& part) {
  IndexRange range{clamp(affine.constant), clamp(affine.constant)};
  for (const auto& [dim, coefficient] : affine.terms) {
    const IndexRange of = part(dim);
    if (of.low > of.high) return std::nullopt;
    range.low = clamp(range.low + Wide{coefficient} * (coefficient > 0 ? of.low : of.high));
    range.high = clamp(range.high + Wide{coefficient} * (coefficient > 0 ? of.high : of.low));
  }
  return range;
}

IndexRange whole(const Dim& dim) {
  return {0, dim.extent() - 1};
}

bool wraps(DType type, const std::optional<IndexRange>& range) {
  return range && is_small_integer(type) &&
         (range->low < least(type) || range->high > greatest(type));
}

std::optional<IndexRange> find_range(const ExprNode& node, const std::optional<Affine>& affine) {
  if (affine) return range_of(*affine, whole);
  const auto* apply = std::get_if<Apply>(&node.kind);
  if (apply == nullptr) return std::nullopt;
  const std::optional<IndexRange> range =
      range_apply(*apply, [](const Expr& arg) { return index_range(arg); });
  return wraps(node.type, range) ? std::nullopt : range;
}

// Index arithmetic of type i32 must not wrap: kernels do it in 64 bits.
std::optional<IndexRange> find_too_wide(const ExprNode& node, const IndexFacts& facts) {
  std::optional<IndexRange> found;
  const auto ask = [&](const Expr& child) {
    if (!found && child.node().index != nullptr) found = child.node().index->too_wide;
  };
  if (const auto* apply = std::get_if<Apply>(&node.kind)) {
    std::for_each(apply->args.begin(), apply->args.end(), ask);
    const bool leaves = facts.range && node.type == DType::i32 &&
                        (facts.range->low < INT32_MIN || facts.range->high > INT32_MAX);
    if (!found && leaves) found = facts.range;
  }
  if (const auto* read = std::get_if<Read>(&node.kind))
    for (const Index& index : read->indices) ask(index.value);
  if (const auto* reduce = std::get_if<Reduce>(&node.kind)) ask(reduce->body);
  return found;
}

}  // namespace

std::shared_ptr<const IndexFacts> find_index_facts(const ExprNode& node) {
  IndexFacts facts;
  if (is_integer(node.type)) {
    facts.affine = find_affine(node);
    facts.range = find_range(node, facts.affine);
  }
  facts.too_wide = find_too_wide(node, facts);
  if (!facts.affine && !facts.range && !facts.too_wide) return nullptr;
  return std::make_shared<const IndexFacts>(std::move(facts));
}

std::optional<IndexRange> index_range(const Expr& index,
                                      const std::function<IndexRange(const Dim&)>& part) {
  if (const std::optional<Affine> affine = affine_form(index)) return range_of(*affine, part);
  const Apply* apply = as<Apply>(index);
  if (apply == nullptr || !index_range(index)) return std::nullopt;
  const std::optional<IndexRange> range =
      range_apply(*apply, [&](const Expr& arg) { return index_range(arg, part); });
  return wraps(index.type(), range) ? std::nullopt : range;
}

bool may_be_equal(const Expr& left, const Expr& right,
                  const std::function<IndexRange(const Dim&)>& part) {
  const std::optional<IndexRange> a = index_range(left, part), b = index_range(right, part);
  return !a || !b || (a->low <= b->high && b->low <= a->high);
}

void check_in_range(const Expr& index, const Dim& dim, const SourceLocation& where) {
  if (index.node().index != nullptr && index.node().index->too_wide) {
    const IndexRange& wide = *index.node().index->too_wide;
    throw UserError(where, "the index computes values from " + std::to_string(wide.low) + " to " +
                               std::to_string(wide.high) +
                               ", which i32 does not hold; convert an operand, as in i64(i)");
  }
  const std::optional<IndexRange> range = index_range(index);
  if (!range || (range->low >= 0 && range->high < dim.extent())) return;
  if (const IndexOf* plain = as<IndexOf>(index))
    throw UserError(where, "dim `" + dim.name() + "` has extent " + std::to_string(dim.extent()) +
                               " (made at " + dim.where().str() + "), and `" + plain->dim.name() +
                               "` in its place has " + std::to_string(plain->dim.extent()) +
                               " (made at " + plain->dim.where().str() +
                               "): make them equal, or pad, as in [" + dim.name() + ": " +
                               plain->dim.name() + " pad 0]");
  throw UserError(where, "dim `" + dim.name() + "` has extent " + std::to_string(dim.extent()) +
                             ", and its index reaches " + std::to_string(range->low) + " to " +
                             std::to_string(range->high) + "; allowed is 0 to " +
                             std::to_string(dim.extent() - 1) +
                             ": change the extents, or pad, as in [" + dim.name() + ": … pad 0]");
}

}  // namespace tessera
