#pragma once

#include <optional>
#include <vector>

#include "ir/index_range.h"

namespace tessera {

// The parts of nested `where(c, …, 0)`: conditions, split at `and`, and the innermost value. In the
// place of 0 stands what the operation ignores: 1 for a product, -inf for a maximum. Factors of a
// term of a sum may be guarded, too: `where(c, x, 0) * y` is `where(c, x * y, 0)`, but for a y that
// is infinite or NaN where c is false. In a sum, `f32(c)` is `where(c, 1, 0)`. What remainders and
// quotients say together is one equation (`ir/remainders.h`).
struct GuardedValue {
  std::vector<Expr> conditions;
  Expr value;
};
GuardedValue split_guards(const Expr& body, ReduceOp op = ReduceOp::sum);
// The reverse; the value itself when there are no conditions.
Expr join_guards(const GuardedValue& guarded, ReduceOp op = ReduceOp::sum);

// The conditions around a summand, outermost first: c of where(c, x, 0), not c of where(c, 0, x).
// `summand` becomes what they guard.
std::vector<Expr> take_outer_guards(Expr& summand);

// What an equation between affine forms says is 0: `2*oy + ky - y` for `2*oy + ky == y`. Nothing
// for any other condition.
std::optional<Affine> equation_of(const Expr& condition);

// The dim whose value `expr` is, looking through conversions between integers.
std::optional<Dim> plain_dim(const Expr& expr);

// Where a dim that a guard tied to others is replaced by what they make it, reads through it may
// reach outside: pads them by 0, so that what is multiplied with them vanishes there.
Expr pad_reads(const Expr& expr, const Dim& dim);
// Could those be told apart from the reads that were there? A pad other than 0 that one already has
// would be read where the guard must give 0.
bool can_pad_reads(const Expr& expr, const Dim& dim);
// Adds the conditions that `index` is in 0 … extent-1, unless it always is, or a padded factor of a
// sum's value is zero where it is not; there a factor that is infinite or NaN makes NaN, as padded
// reads do elsewhere.
void guard_inside(GuardedValue& guarded, const Expr& index, int64_t extent, ReduceOp op);

}  // namespace tessera
