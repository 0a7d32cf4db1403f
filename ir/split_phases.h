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
// With a dilation that has no divisor in common with the stride, the tap at which a place is
// reached tells the phase; with a common divisor, only every so manieth place is reached:
//
//   2*oy + 3*ky == y   t[u, p] = sum[s](g[oy: u - 3*s pad 0] * w[ky: 2*s + p pad 0])
//                      dx[y]   = t[u: (y - 3*p) // 2, p]  with p = y % 2
//   2*oy + 4*ky == y   2*(oy + 2*ky) == y, 0 where y is odd
//
// A window's gradient that is written as a gather is taken apart as well (`ir/remainders.h`):
//
//   where((y - ky) % 2 == 0, g[oy: (y - ky) // 2 pad 0] * w[ky], 0)
//
// Of several such equations one is taken apart. `value`, whose result lies as `order` says, is
// returned where it is no such sum, where no fewer steps would be left than solving the equation
// for a dim without dividing leaves (as of a window with a dilation and no stride), where `y` is
// used in another way as well, or where a dim of `iterated` takes part.
//
// A gradient of t would be guarded by divisions, so this is for programs of which no gradients are
// taken any more. `define` makes t.
Expr split_phases(const Expr& value, const Dims& order, const Dims& iterated,
                  const std::function<Tensor(const Expr& value, const Dims& order)>& define);

}  // namespace tessera
