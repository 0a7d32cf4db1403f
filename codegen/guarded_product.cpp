#include "codegen/guarded_product.h"

namespace tessera {
namespace {

bool is_zero(const Expr& value) {
  const Constant* constant = as<Constant>(value);
  return constant != nullptr && constant->value.type != DType::b8 && constant->value.number() == 0;
}

}  // namespace

GuardedProduct guarded_product(const Expr& summand) {
  GuardedProduct found{std::nullopt, summand};
  while (const Apply* guard = as<Apply>(found.product)) {
    if (guard->fn != Fn::where) break;
    const bool holds = is_zero(guard->args[2]);
    if (!holds && !is_zero(guard->args[1])) break;
    const SourceLocation& where = found.product.where();
    const Expr condition =
        holds ? guard->args[0] : make_apply(Fn::logical_not, {guard->args[0]}, where);
    found.condition = found.condition
                          ? make_apply(Fn::logical_and, {*found.condition, condition}, where)
                          : condition;
    found.product = guard->args[holds ? 1 : 2];
  }
  return found;
}

Expr left_out_unless(const Expr& condition, const Expr& operand) {
  const DType type = operand.type();
  const SourceLocation& where = operand.where();
  if (!is_float(type))
    return make_apply(Fn::where,
                      {condition, operand, make_constant(Scalar::of_int(type, 0), where)}, where);
  const Expr zero = make_constant(Scalar::of_float(type, 0.0), where);
  const Expr left_out = make_constant(Scalar::of_float(type, -0.0), where);
  return make_apply(Fn::where, {condition, make_apply(Fn::add, {operand, zero}, where), left_out},
                    where);
}

}  // namespace tessera
