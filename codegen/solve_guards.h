#pragma once

#include "ir/nest.h"

namespace tessera {

// A guarded sum, as adjoints of affine reads are, with its equations solved for reduced dims:
//
//   dx[y] = sum[oy, ky](where(oy + ky == y, g[oy] * w[ky], 0))
//   dx[y] = sum[ky](g[oy: y - ky pad 0] * w[ky])                  a convolution again
//
// An equation is solved where a reduced dim has the coefficient 1 or -1 in it; strides stay as they
// are (see scatter.h). The guard that the solution lies inside is left out where a padded factor is
// zero outside; there a factor that is infinite or NaN makes NaN, as padded reads do elsewhere.
Nest solve_guards(const Nest& nest);

// The parts of nested `where(c, …, 0)`: conditions, split at `and`, and the innermost value.
struct GuardedValue {
  std::vector<Expr> conditions;
  Expr value;
};
GuardedValue split_guards(const Expr& body);
// The reverse; the value itself when there are no conditions.
Expr join_guards(const GuardedValue& guarded);

}  // namespace tessera
