#include "models/attention.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "models/layers.h"
#include "models/rotary.h"

namespace tessera {

Expr causal_mask(const Dim& query, const Dim& key) {
  return index(key) <= index(query);
}

Expr padding_mask(const Dim& key, const Expr& length) {
  return index(key) < length;
}

Expr masked_softmax(const Dim& over, const Expr& x, const Expr& mask) {
  const Tensor masked = where(mask, x, -std::numeric_limits<double>::infinity());
  const Tensor top = stop_gradient(max(over, masked));
  const Expr shift = where(top > -std::numeric_limits<double>::infinity(), top, 0);
  const Tensor scaled = exp(masked - shift);
  const Tensor total = sum(over, scaled);
  return scaled / where(total > 0, total, 1);
}

Expr dot_product_attention(const Dims& features, const Dim& key, const Expr& q, const Expr& k,
                           const Expr& v, const std::optional<Expr>& mask) {
  const double scale = 1 / std::sqrt(static_cast<double>(volume(features)));
  const Tensor score = sum(features, q * k) * scale;
  const Expr weight = mask ? masked_softmax(key, score, *mask) : softmax(key, score);
  return sum(key, weight * v);
}

Expr self_attention(const AttentionDims& dims, const AttentionWeights& weights, const Expr& x,
                    const std::optional<Expr>& mask) {
  Tensor q = sum(dims.model, x * weights.q);
  Tensor k = sum(dims.model, x * weights.k);
  const Tensor v = sum(dims.model, x * weights.v);
  if (dims.rotary_base != 0) {
    if (dims.features.size() != 2)
      throw UserError(dims.time.where(),
                      "rotary positions need the features as two dims, {pair, "
                      "part}; these are " +
                          describe(dims.features));
    const Dim& pair = dims.features[0];
    const Dim& part = dims.features[1];
    q = rotary(pair, part, index(dims.time), q, dims.rotary_base);
    k = rotary(pair, part, index(dims.time), k, dims.rotary_base);
  }
  std::optional<Expr> allowed = mask;
  if (dims.causal) {
    const Expr causal = causal_mask(dims.time, dims.key);
    allowed = mask ? causal && *mask : causal;
  }
  const Tensor seen =
      dot_product_attention(dims.features, dims.key, q, k.at(dims.time, index(dims.key)),
                            v.at(dims.time, index(dims.key)), allowed);
  Dims joined = dims.heads;
  joined.push_back(dims.value);
  return sum(joined, seen * weights.out);
}

}  // namespace tessera
