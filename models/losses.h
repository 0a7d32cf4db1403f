#pragma once

#include "ir/functions.h"

namespace tessera {

// -log softmax(logits)[truth], in nats.  logits[…, label], truth[…]: i32 in 0 … label-1  ->  […]
Expr cross_entropy(const Dim& label, const Expr& logits, const Expr& truth);

// The share of `over` for which the largest logit is the true one, 0 … 1, f32.
Expr accuracy(const Dims& over, const Dim& label, const Expr& logits, const Expr& truth);

}  // namespace tessera
