#include "models/layers.h"

#include <numbers>

namespace tessera {

Expr dense(const Dim& in, const Expr& x, const Expr& w, const Expr& bias) {
  return sum(in, x * w) + bias;
}

Expr relu(const Expr& x) {
  return where(x > 0, x, make_cast(x.type(), 0), x.where());
}

Expr gelu(const Expr& x) {
  return x * 0.5 * (1 + erf(x * (1 / std::numbers::sqrt2)));
}

Expr softmax(const Dim& over, const Expr& x) {
  const Tensor scaled = exp(x - stop_gradient(max(over, x)));
  return scaled / sum(over, scaled);
}

Expr log_softmax(const Dim& over, const Expr& x) {
  const Tensor shifted = x - stop_gradient(max(over, x));
  return shifted - log(sum(over, exp(shifted)));
}

}  // namespace tessera
