#pragma once

#include <functional>

#include "ir/expr.h"

namespace tessera {

// The gradient of a strided window, which is guarded by an equation with a stride, taken apart by
// phase: places that are a stride apart are one contraction, and the phases lie side by side.
//
//   dx[y] = sum[oy, ky](where(2*oy + ky == y, g[oy] * w[ky], 0))
//
//   t[u, p] = sum[s](g[oy: u - s pad 0] * w[ky: 2*s + p pad 0])      p = 0, 1
//   dx[y]   = t[u: y // 2, p: y % 2]
//
// Each step of t adds something, where a step of dx divides and, in one of two cases, adds nothing.
// Of several such equations one is taken apart. `value`, whose result lies as `order` says, is
// returned where it is no such sum, where `y` is used in another way as well, or where a dim of
// `iterated` takes part.
//
// A gradient of t would be guarded by divisions, so this is for programs of which no gradients are
// taken any more. `define` makes t.
Expr split_phases(const Expr& value, const Dims& order, const Dims& iterated,
                  const std::function<Tensor(const Expr& value, const Dims& order)>& define);

}  // namespace tessera
