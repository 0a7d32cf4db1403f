#include "ir/guards.h"

#include "ir/remainders.h"
#include "ir/split_formula.h"
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

// Is it what the operation ignores: 0 for a sum?
bool is_neutral(const Expr& expr, ReduceOp op) {
  const Constant* constant = as<Constant>(expr);
  return constant != nullptr &&
         constant->value.number() == identity(op, constant->value.type).number();
}

bool same_index(const Expr& a, const Expr& b) {
  const std::optional<Affine> form = affine_form(a);
  return form ? form == affine_form(b) : equivalent(a, b);
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
        same_index(read->indices[i].value, index))
      return true;
  return false;
}

// `value` without the guards around it, or around factors of a term: those go to `conditions`.
Expr without_guards(const Expr& value, ReduceOp op, std::vector<Expr>& conditions) {
  const Apply* apply = as<Apply>(value);
  if (apply == nullptr) return value;
  if (apply->fn == Fn::where && is_neutral(apply->args[2], op)) {
    if (!conditions.empty() && reads_may_leave(apply->args[0])) return value;
    split_condition(apply->args[0], conditions);
    return without_guards(apply->args[1], op, conditions);
  }
  if (apply->fn == Fn::cast && op == ReduceOp::sum && apply->args[0].type() == DType::b8) {
    if (!conditions.empty() && reads_may_leave(apply->args[0])) return value;
    split_condition(apply->args[0], conditions);
    return make_constant(Scalar::of_number(value.type(), 1), value.where());
  }
  if (apply->fn != Fn::mul || op != ReduceOp::sum) return value;
  // A factor that may be read outside reports it also where the other one is 0 by its guard.
  std::vector<Expr> factors = apply->args;
  for (const size_t k : {0, 1})
    if (!reads_may_leave(apply->args[1 - k]))
      factors[k] = without_guards(apply->args[k], op, conditions);
  const bool same = factors[0].is(apply->args[0]) && factors[1].is(apply->args[1]);
  return same ? value : make_apply(Fn::mul, factors, value.where());
}

}  // namespace

GuardedValue split_guards(const Expr& body, ReduceOp op) {
  GuardedValue result{{}, body};
  result.value = without_guards(body, op, result.conditions);
  result.conditions = join_remainders(result.conditions);
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

std::vector<Expr> take_outer_guards(Expr& summand) {
  std::vector<Expr> conditions;
  while (const Apply* guard = as<Apply>(summand)) {
    if (guard->fn != Fn::where) break;
    const bool holds = is_neutral(guard->args[2], ReduceOp::sum);
    if (!holds && !is_neutral(guard->args[1], ReduceOp::sum)) break;
    conditions.push_back(
        holds ? guard->args[0]
              : make_apply(Fn::logical_not, {guard->args[0]}, guard->args[0].where()));
    summand = Expr(guard->args[holds ? 1 : 2]);
  }
  return conditions;
}

std::optional<Affine> equation_of(const Expr& condition) {
  const Apply* apply = as<Apply>(condition);
  if (apply == nullptr || apply->fn != Fn::eq || !is_integer(apply->args[0].type()))
    return std::nullopt;
  const std::optional<Affine> left = affine_form(apply->args[0]);
  const std::optional<Affine> right = affine_form(apply->args[1]);
  if (!left || !right) return std::nullopt;
  Affine sum = *left;
  sum.constant -= right->constant;
  for (const auto& [dim, coefficient] : right->terms)
    if ((sum.terms[dim] -= coefficient) == 0) sum.terms.erase(dim);
  return sum;
}

std::optional<Dim> plain_dim(const Expr& expr) {
  if (const IndexOf* index = as<IndexOf>(expr)) return index->dim;
  const Apply* apply = as<Apply>(expr);
  const bool converts = apply != nullptr && apply->fn == Fn::cast && is_integer(expr.type()) &&
                        is_integer(apply->args[0].type());
  return converts ? plain_dim(apply->args[0]) : std::nullopt;
}

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

bool can_pad_reads(const Expr& expr, const Dim& dim) {
  return !any_node(expr, [&](const Expr& node) {
    const Read* read = as<Read>(node);
    return read != nullptr && contains(node.dims(), dim) && read->pad && read->pad->number() != 0;
  });
}

void guard_inside(GuardedValue& guarded, const Expr& index, int64_t extent, ReduceOp op) {
  const std::optional<IndexRange> range = index_range(index);
  if (range && range->low >= 0 && range->high < extent) return;
  if (op == ReduceOp::sum && vanishes_outside(guarded.value, index, extent)) return;
  guarded.conditions.push_back(make_apply(Fn::ge, {index, to_expr(Affine{{}, 0})}));
  guarded.conditions.push_back(make_apply(Fn::lt, {index, to_expr(Affine{{}, extent})}));
}

}  // namespace tessera
