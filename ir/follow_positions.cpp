#include "ir/follow_positions.h"

#include <map>
#include <optional>

#include "ir/guards.h"
#include "ir/nest.h"
#include "ir/simplify.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

struct Position {
  Dim dim;
  Expr value;
};

// What `condition` says of a dim among `dims`.
std::optional<Position> position_of(const Expr& condition, const Dims& dims, const Dims& reduced) {
  const Apply* apply = as<Apply>(condition);
  if (apply == nullptr || apply->fn != Fn::eq) return std::nullopt;
  for (size_t side = 0; side < 2; ++side) {
    const std::optional<Dim> dim = plain_dim(apply->args[side]);
    const Expr& value = apply->args[1 - side];
    if (!dim || !contains(dims, *dim) || !is_integer(value.type())) continue;
    if (contains(value.dims(), *dim)) continue;
    if (affine_form(value) && !intersect(value.dims(), reduced).empty()) continue;
    return Position{*dim, value};
  }
  return std::nullopt;
}

// The body with the definitions put in that are 0 but where data says.
Expr with_hot_parts(const Expr& body, const Dims& reduced) {
  return transform(body, [&](const Expr& node) -> Expr {
    const Read* read = as<Read>(node);
    if (read == nullptr || read->pad || read->tensor.role() != Role::definition) return node;
    if (read->tensor.checkpoint() || as<Reduce>(read->tensor.value()) != nullptr) return node;
    std::map<Dim, Expr> indices;
    Dims along;  // dims of the definition that are read by a reduced dim
    for (size_t i = 0; i < read->indices.size(); ++i) {
      const Dim& dim = read->tensor.dims()[i];
      indices.emplace(dim, read->indices[i].value);
      const std::optional<Dim> by = plain_dim(read->indices[i].value);
      if (by && contains(reduced, *by)) along.push_back(dim);
    }
    for (const Expr& condition : split_guards(read->tensor.value()).conditions)
      if (position_of(condition, sorted(along), {}))
        return substitute(read->tensor.value(), indices);
    return node;
  });
}

// The reduction with a dim less, for which an equation is solved.
std::optional<Reduce> without(const Reduce& reduce, ReduceOp op) {
  const GuardedValue guarded = split_guards(reduce.body, op);
  for (size_t i = 0; i < guarded.conditions.size(); ++i) {
    const auto position = position_of(guarded.conditions[i], reduce.dims, reduce.dims);
    if (!position) continue;
    GuardedValue rest = guarded;
    rest.conditions.erase(rest.conditions.begin() + static_cast<std::ptrdiff_t>(i));
    const std::optional<IndexRange> range = index_range(position->value);
    const bool inside = range && range->low >= 0 && range->high < position->dim.extent();
    const auto put_in = [&](const Expr& expr) {
      const Expr padded = inside ? expr : pad_reads(expr, position->dim);
      return substitute(padded, {{position->dim, position->value}});
    };
    if (!inside && !can_pad_reads(join_guards(rest, op), position->dim)) continue;
    for (Expr& condition : rest.conditions) condition = put_in(condition);
    rest.value = put_in(rest.value);
    guard_inside(rest, position->value, position->dim.extent(), op);
    return Reduce{reduce.op, subtract(reduce.dims, {position->dim}), join_guards(rest, op)};
  }
  return std::nullopt;
}

}  // namespace

Expr follow_positions(const Expr& value) {
  const Reduce* whole = as<Reduce>(value);
  if (whole == nullptr || value.type() == DType::b8) return value;
  if (whole->op == Reduction::argmax || whole->op == Reduction::argmin) return value;
  const ReduceOp op = reduce_op(whole->op);
  Reduce reduce = *whole;
  reduce.body = with_hot_parts(reduce.body, reduce.dims);
  bool changed = false;
  while (const std::optional<Reduce> next = without(reduce, op)) {
    reduce = *next;
    changed = true;
    if (reduce.dims.empty()) return simplify(reduce.body);
  }
  return changed ? simplify(make_reduce(reduce.op, reduce.dims, reduce.body, value.where()))
                 : value;
}

}  // namespace tessera
