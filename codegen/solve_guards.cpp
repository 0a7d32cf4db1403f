#include "codegen/solve_guards.h"

#include <cstdlib>
#include <map>
#include <optional>

#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

void split_condition(const Expr& condition, std::vector<Expr>& parts) {
  const Apply* apply = as<Apply>(condition);
  if (apply != nullptr && apply->fn == Fn::logical_and) {
    split_condition(apply->args[0], parts);
    split_condition(apply->args[1], parts);
  } else {
    parts.push_back(condition);
  }
}

// Does evaluating it where it was guarded against matter? An index that is read may be outside.
bool may_fault(const Expr& condition) {
  return any_node(condition, [](const Expr& node) {
    const Read* read = as<Read>(node);
    if (read == nullptr) return false;
    for (const Index& index : read->indices)
      if (!tensors_read(index.value).empty()) return true;
    return false;
  });
}

// Is it what the operation ignores: 0 for a sum?
bool is_neutral(const Expr& expr, ReduceOp op) {
  const Constant* constant = as<Constant>(expr);
  return constant != nullptr &&
         constant->value.number() == identity(op, constant->value.type).number();
}

Expr integer(int64_t value) {
  return make_constant(Scalar::of_int(DType::i32, value));
}

// dim == value, provided that `divides` holds where it is there.
struct Solution {
  Dim dim;
  Expr value;
  std::optional<Expr> divides;
};

// The largest reduced dim that `condition`, an equation between affine forms, determines.
std::optional<Solution> solve(const Expr& condition, const Dims& reduced) {
  const Apply* apply = as<Apply>(condition);
  if (apply == nullptr || apply->fn != Fn::eq || !is_integer(apply->args[0].type()))
    return std::nullopt;
  const std::optional<Affine> left = affine_form(apply->args[0]);
  const std::optional<Affine> right = affine_form(apply->args[1]);
  if (!left || !right) return std::nullopt;
  Affine sum = *left;  // left - right == 0
  sum.constant -= right->constant;
  for (const auto& [dim, coefficient] : right->terms)
    if ((sum.terms[dim] -= coefficient) == 0) sum.terms.erase(dim);
  // Dividing costs something: it must save a third of the steps.
  const auto gain = [](const Dim& dim, int64_t coefficient) {
    return dim.extent() * (std::abs(coefficient) == 1 ? 3 : 2);
  };
  const Dim* best = nullptr;
  for (const auto& [dim, coefficient] : sum.terms)
    if (contains(reduced, dim) &&
        (best == nullptr || gain(dim, coefficient) > gain(*best, sum.terms.at(*best))))
      best = &dim;
  if (best == nullptr) return std::nullopt;
  const Dim dim = *best;
  const int64_t coefficient = sum.terms.at(dim);
  const int64_t sign = coefficient > 0 ? -1 : 1;
  sum.terms.erase(dim);
  for (auto& term : sum.terms) term.second *= sign;
  sum.constant *= sign;
  const Expr rest = to_expr(sum);
  if (std::abs(coefficient) == 1) return Solution{dim, rest, std::nullopt};
  const Expr divisor = integer(std::abs(coefficient));
  return Solution{dim, make_apply(Fn::floordiv, {rest, divisor}),
                  make_apply(Fn::eq, {make_apply(Fn::mod, {rest, divisor}), integer(0)})};
}

// Replaces the dim by its solution.
Expr replace(const Expr& expr, const Solution& solution) {
  return transform(expr, [&](const Expr& node) -> Expr {
    if (const IndexOf* index = as<IndexOf>(node))
      return index->dim == solution.dim ? solution.value : node;
    return node;
  });
}

// Pads, by zero, the reads that the dim indexes: with its solution they may reach outside.
Expr pad_reads(const Expr& expr, const Dim& dim) {
  return transform(expr, [&](const Expr& node) -> Expr {
    const Read* read = as<Read>(node);
    if (read == nullptr || !contains(node.dims(), dim)) return node;
    std::vector<Index> indices = read->indices;
    for (Index& index : indices) index.padded = index.padded || contains(index.value.dims(), dim);
    const Scalar pad = read->pad ? *read->pad : Scalar::of_number(node.type(), 0);
    return make_read(read->tensor, indices, pad, node.where());
  });
}

// Is a factor of the product a read that is 0 wherever `index` is outside 0 … extent-1?
bool vanishes_outside(const Expr& value, const Expr& index, int64_t extent) {
  if (const Apply* apply = as<Apply>(value))
    return apply->fn == Fn::mul && (vanishes_outside(apply->args[0], index, extent) ||
                                    vanishes_outside(apply->args[1], index, extent));
  const Read* read = as<Read>(value);
  if (read == nullptr || !read->pad || read->pad->number() != 0) return false;
  for (size_t i = 0; i < read->indices.size(); ++i)
    if (read->indices[i].padded && read->tensor.dims()[i].extent() == extent &&
        affine_form(read->indices[i].value) == affine_form(index))
      return true;
  return false;
}

void guard_inside(GuardedValue& guarded, const Solution& solution, ReduceOp op) {
  const int64_t extent = solution.dim.extent();
  if (solution.divides) guarded.conditions.push_back(*solution.divides);
  const std::optional<IndexRange> range = index_range(solution.value);
  if (range && range->low >= 0 && range->high < extent) return;
  if (op == ReduceOp::sum && affine_form(solution.value) &&
      vanishes_outside(guarded.value, solution.value, extent))
    return;
  guarded.conditions.push_back(make_apply(Fn::ge, {solution.value, integer(0)}));
  guarded.conditions.push_back(make_apply(Fn::lt, {solution.value, integer(extent)}));
}

// Could the padded reads be told apart from those that were there? A pad other than 0 that a read
// already had would be read where the guard must give 0: then nothing is solved.
bool reads_allow(const Expr& expr, const Dim& dim) {
  return !any_node(expr, [&](const Expr& node) {
    const Read* read = as<Read>(node);
    return read != nullptr && contains(node.dims(), dim) && read->pad && read->pad->number() != 0;
  });
}

}  // namespace

GuardedValue split_guards(const Expr& body, ReduceOp op) {
  GuardedValue result{{}, body};
  for (const Apply* apply = as<Apply>(result.value);
       apply != nullptr && apply->fn == Fn::where && is_neutral(apply->args[2], op);
       apply = as<Apply>(result.value)) {
    if (!result.conditions.empty() && may_fault(apply->args[0])) break;
    split_condition(apply->args[0], result.conditions);
    const Expr inner = apply->args[1];
    result.value = inner;
  }
  return result;
}

Expr join_guards(const GuardedValue& guarded, ReduceOp op) {
  if (guarded.conditions.empty()) return guarded.value;
  Expr condition = guarded.conditions[0];
  for (size_t i = 1; i < guarded.conditions.size(); ++i)
    condition = make_apply(Fn::logical_and, {condition, guarded.conditions[i]});
  const Expr outside = make_constant(identity(op, guarded.value.type()));
  return make_apply(Fn::where, {condition, guarded.value, outside}, guarded.value.where());
}

Nest solve_guards(const Nest& nest) {
  if (nest.op != ReduceOp::sum && nest.op != ReduceOp::max && nest.op != ReduceOp::min) return nest;
  if (nest.op != ReduceOp::sum && !is_float(nest.body.type())) return nest;
  const ReduceOp op = *nest.op;
  GuardedValue guarded = split_guards(nest.body, op);
  Dims reduced = nest.reduced;
  for (size_t i = 0; i < guarded.conditions.size();) {
    const std::optional<Solution> solution = solve(guarded.conditions[i], reduced);
    if (!solution || !reads_allow(join_guards(guarded, op), solution->dim)) {
      ++i;
      continue;
    }
    guarded.conditions.erase(guarded.conditions.begin() + static_cast<std::ptrdiff_t>(i));
    for (Expr& condition : guarded.conditions)
      condition = replace(pad_reads(condition, solution->dim), *solution);
    guarded.value = replace(pad_reads(guarded.value, solution->dim), *solution);
    guard_inside(guarded, *solution, op);
    reduced = subtract(reduced, {solution->dim});
  }
  if (reduced == nest.reduced) return nest;
  Nest result = nest;
  result.reduced = reduced;
  if (reduced.empty()) result.op.reset();
  result.body = join_guards(guarded, op);
  return result;
}

}  // namespace tessera
