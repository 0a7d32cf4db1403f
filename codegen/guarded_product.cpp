#include "codegen/guarded_product.h"

#include "ir/guards.h"

namespace tessera {
GuardedProduct guarded_product(const Expr& summand) {
  GuardedProduct found{std::nullopt, summand};
  for (const Expr& condition : take_outer_guards(found.product))
    found.condition = found.condition ? make_apply(Fn::logical_and, {*found.condition, condition},
                                                   summand.where())
                                      : condition;
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
