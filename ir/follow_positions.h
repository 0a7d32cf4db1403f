#pragma once

#include "ir/expr.h"

namespace tessera {

// A guarded reduction of which an equation says where along a reduced dim something is, read there:
//
//   sum[n](where(to == n, y * w, 0))           becomes   y[n: to pad 0] * w
//   sum[e, n](where(to == n, x[e] * y[n], 0))  becomes   sum[e](x * y[n: to pad 0])
//   sum[n](hot * y)  with  hot = f32(to == n)  becomes   y[n: to pad 0]
//
// where `to` holds positions, or is an index that depends on no reduced dim. So the gradient of a
// segment sum is a gather, and so is a product with a one-hot matrix, also one that has a name.
// `value` is returned where it is no such reduction.
Expr follow_positions(const Expr& value);

}  // namespace tessera
