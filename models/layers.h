#pragma once

#include "ir/functions.h"

namespace tessera {

// Layers as ordinary functions of expressions: whatever further dims an argument brings along
// (batches, heads, positions) pass through.

// sum[in](x * w) + bias.  x[…, in], w[in, out], bias[out]  ->  […, out]
Expr dense(const Dim& in, const Expr& x, const Expr& w, const Expr& bias);

// x where positive, else 0; the derivative at 0 is 0.
Expr relu(const Expr& x);

// x * Phi(x), exact (Hendrycks and Gimpel, 2016).
Expr gelu(const Expr& x);

// exp(x) / sum[over](exp(x)), shifted by the maximum so that it cannot overflow.
// x[…, over] -> [..., over], positive, summing to 1 over `over`.
Expr softmax(const Dim& over, const Expr& x);

// log(softmax(x)), without rounding small probabilities to 0.
Expr log_softmax(const Dim& over, const Expr& x);

}  // namespace tessera
