#include "models/losses.h"

namespace tessera {

Expr cross_entropy(const Dim& label, const Expr& logits, const Expr& truth) {
  const Tensor shifted = logits - stop_gradient(max(label, logits));
  return log(sum(label, exp(shifted))) - shifted.at(label, truth);
}

Expr accuracy(const Dims& over, const Dim& label, const Expr& logits, const Expr& truth) {
  const Expr hit = equal(argmax(label, logits), truth);
  return mean(over, where(hit, 1.0, 0.0));
}

}  // namespace tessera
