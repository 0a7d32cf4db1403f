#pragma once

#include "ir/expr.h"

namespace tessera {

// The same reduction over dims that are not among `order`: a definition may repeat its value along
// a dim that its formula reduces, and a nest's loops are all different.
//
//   apart(sum[k](x), {k})   is   sum[k_](x[k: k_])
Expr apart(const Expr& value, const Dims& order);

}  // namespace tessera
