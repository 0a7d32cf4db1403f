#pragma once

#include "ir/functions.h"

namespace tessera {

// Dropout (Srivastava et al.: Dropout: a simple way to prevent neural networks from overfitting;
// JMLR 15, 2014), scaled so that the mean stays: an element is 0 with probability `rate`, else
// x / (1 - rate). Elements that differ only in dims outside `dims` share one fate, as whole maps of
// an image may. The seed is an integer formula, such as a count of steps; two layers need two
// seeds. x[…] -> […], of any float type; UserError unless 0 <= rate < 1.
//
//   h = dropout(h, {batch, hidden}, 0.1, 2 * steps);   ...   dropout(v, {batch, out}, 0.1, 2 *
//   steps + 1)
Expr dropout(const Expr& x, const Dims& dims, double rate, const Expr& seed,
             const Where& where = std::source_location::current());

}  // namespace tessera
