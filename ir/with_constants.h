#pragma once

#include "ir/expr.h"

namespace tessera {

// `formula` with the numbers themselves in place of reads of definitions that are one number
// everywhere, such as the derivative of a loss by itself. What may leave a tensor is still read,
// so that it is reported.
//
//   d_loss = 1.0
//   d_x = d_loss * d_out      becomes   d_x = 1.0 * d_out, and simplified the tensor d_out itself
Expr with_constants(const Expr& formula);

}  // namespace tessera
