#include "codegen/solve_guards.h"

#include <cstdlib>
#include <map>
#include <optional>

#include "ir/guards.h"
#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// dim == value, provided that `divides` holds where it is there.
struct Solution {
  Dim dim;
  Expr value;
  std::optional<Expr> divides;
};

// The largest reduced dim that `condition`, an equation between affine forms, determines.
std::optional<Solution> solve(const Expr& condition, const Dims& reduced) {
  const std::optional<Affine> equation = equation_of(condition);
  if (!equation) return std::nullopt;
  Affine sum = *equation;
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
  const Expr divisor = to_expr(Affine{{}, std::abs(coefficient)});
  return Solution{
      dim, make_apply(Fn::floordiv, {rest, divisor}),
      make_apply(Fn::eq, {make_apply(Fn::mod, {rest, divisor}), to_expr(Affine{{}, 0})})};
}

// Replaces the dim by its solution.
Expr replace(const Expr& expr, const Solution& solution) {
  return transform(expr, [&](const Expr& node) -> Expr {
    if (const IndexOf* index = as<IndexOf>(node))
      return index->dim == solution.dim ? solution.value : node;
    return node;
  });
}

}  // namespace

Nest solve_guards(const Nest& nest) {
  if (nest.op != ReduceOp::sum && nest.op != ReduceOp::max && nest.op != ReduceOp::min) return nest;
  if (nest.op != ReduceOp::sum && !is_float(nest.body.type())) return nest;
  const ReduceOp op = *nest.op;
  GuardedValue guarded = split_guards(nest.body, op);
  Dims reduced = nest.reduced;
  for (size_t i = 0; i < guarded.conditions.size();) {
    const std::optional<Solution> solution = solve(guarded.conditions[i], reduced);
    if (!solution || !can_pad_reads(join_guards(guarded, op), solution->dim)) {
      ++i;
      continue;
    }
    guarded.conditions.erase(guarded.conditions.begin() + static_cast<std::ptrdiff_t>(i));
    for (Expr& condition : guarded.conditions)
      condition = replace(pad_reads(condition, solution->dim), *solution);
    guarded.value = replace(pad_reads(guarded.value, solution->dim), *solution);
    if (solution->divides) guarded.conditions.push_back(*solution->divides);
    guard_inside(guarded, solution->value, solution->dim.extent(), op);
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
