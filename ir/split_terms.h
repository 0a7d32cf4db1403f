#pragma once

#include "ir/order_sum.h"

namespace tessera {

// `value`, or, when it is a sum of a sum of products, the sum of their sums, where those are
// clearly cheaper together: each may be a product of matrices, which the whole is not. What
// multiplies or guards all terms goes with each.
//
//   sum[k](a * b - c * d)         becomes   t - u  with  t = sum[k](a * b),  u = sum[k](c * d)
//   sum[k](s * (a * b + c))       becomes   t + u  with  t = sum[k](s * a * b),  u = sum[k](s * c)
//
// All terms but one are products, each of which is rounded before terms are added, so that the
// whole has no digits that the parts have not. Differences of what is read, as in
// sum[k]((a - b) * c), stay: they may be exact.
Expr split_terms(const Expr& value, const SumSurroundings& surroundings);

}  // namespace tessera
