#pragma once

#include "ir/program.h"
#include "ir/sum_prices.h"

namespace tessera {

// The normal form: the same inputs, parameters, states, updates and outputs, and every definition
// one nest (see nest.h). Gradients are derived (grad.h), argmax and argmin become a max or min and
// the least index that reaches it, each reduction is lifted into its own definition, sums of
// products become sequences of smaller ones where that is clearly cheaper (order_sum.h), formulas
// are simplified, equal definitions are merged and those that nothing needs are dropped. Tensors
// keep their names where they survive. normalize(normalize(p)) == normalize(p).
//
// What stands in a checkpoint becomes definitions that are marked so. The gradients of a loss read
// none of these, but copies, which are computed again from what is not marked; no marked definition
// is merged with another.
//
//   y = exp(sum[k](a * b)) + 1   becomes   y_1 = sum[k](a * b)
//                                          y = exp(y_1) + 1
Program normalize(const Program& program, const SumPrices& prices = {});

}  // namespace tessera
