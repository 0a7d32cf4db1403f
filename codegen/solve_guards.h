#pragma once

#include "ir/nest.h"

namespace tessera {

// A guarded sum, as adjoints of affine reads are, with its equations solved for reduced dims:
//
//   dx[y] = sum[oy, ky](where(oy + ky == y, g[oy] * w[ky], 0))
//   dx[y] = sum[ky](g[oy: y - ky pad 0] * w[ky])                  a convolution again
//
//   dx[y] = sum[oy, ky](where(2*oy + ky == y, g[oy] * w[ky], 0))
//   dx[y] = sum[ky](where((y - ky) % 2 == 0, g[oy: (y - ky) // 2 pad 0] * w[ky], 0))
//
// Of the reduced dims in an equation the largest is solved for, so that the fewest steps are left.
// The guard that the solution lies inside is left out where a padded factor is zero outside; there
// a factor that is infinite or NaN makes NaN, as padded reads do elsewhere. A guarded max or min,
// which is -inf or inf outside, is solved in the same way.
Nest solve_guards(const Nest& nest);

}  // namespace tessera
