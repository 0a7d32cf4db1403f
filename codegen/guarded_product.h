#pragma once

#include <optional>

#include "ir/expr.h"

namespace tessera {

// What a sum adds where a condition holds, and nothing elsewhere:
//
//   sum[s](where(s <= t, score[t, s] * v[s, d], 0))    condition s <= t, product score * v
//
// As a product of matrices, the condition moves into the operand that has its dims. There it must
// leave the product out whatever the other operand holds, also an infinity, of which 0 times is no
// number. So the operand is -0 where the condition does not hold, and nowhere else; the product
// with that is a 0, and adds nothing, while the other operand is finite; and where it is not, who
// multiplies looks for -0 (emit_contraction_parts.h).
struct GuardedProduct {
  std::optional<Expr> condition;  // nothing: always
  Expr product;
};
GuardedProduct guarded_product(const Expr& summand);

// `operand`, a number, where the condition holds. Of floats, -0 where it does not, and only there.
//
//   where(s <= t, score + 0, -0)
Expr left_out_unless(const Expr& condition, const Expr& operand);

}  // namespace tessera
