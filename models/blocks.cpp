#include "models/blocks.h"

#include "base/error.h"
#include "models/layers.h"
#include "models/normalization.h"

namespace tessera {

Expr mlp_block(const Dim& model, const Dim& hidden, const Expr& x, const MlpWeights& weights) {
  const Tensor up = dense(model, x, weights.up, weights.up_bias);
  if (weights.gate) {
    const Tensor gate = sum(model, x * *weights.gate);
    const Tensor h = up * gate * sigmoid(gate);
    return dense(hidden, h, weights.down, weights.down_bias);
  }
  const Tensor h = gelu(up);
  return dense(hidden, h, weights.down, weights.down_bias);
}

Expr transformer_block(const AttentionDims& dims, const Dim& hidden, const Expr& x,
                       const TransformerWeights& weights, const std::optional<Expr>& mask) {
  const Tensor before = rms_norm({dims.model}, x, weights.attention_scale);
  const Tensor mixed = x + self_attention(dims, weights.attention, before, mask);
  const Tensor middle = rms_norm({dims.model}, mixed, weights.mlp_scale);
  return mixed + mlp_block(dims.model, hidden, middle, weights.mlp);
}

Expr residual_block(const std::vector<Window>& windows, const Dim& channel, const Dim& inner,
                    const Expr& x, const ResidualWeights& weights) {
  for (const Window& window : windows)
    if (window.in.extent() != window.out.extent())
      throw UserError(window.out.where(), "a residual block keeps extents: `" + window.in.name() +
                                              "` has " + std::to_string(window.in.extent()) +
                                              " and `" + window.out.name() + "` has " +
                                              std::to_string(window.out.extent()));
  // A convolution leads from `in` to `out`; this leads back.
  const auto convolve = [&](const Dim& channels, const Expr& value, const Expr& filter) {
    const Tensor result = convolution(windows, {channels}, value, filter);
    Expr renamed = result;
    for (const Window& window : windows) renamed = renamed.at(window.out, index(window.in));
    return Tensor(renamed);
  };
  const Tensor first = convolve(channel, x, weights.filter1);
  const Tensor middle = relu(Tensor(layer_norm({inner}, first, weights.scale1, weights.shift1)));
  const Tensor second = convolve(inner, middle, weights.filter2);
  return relu(Tensor(x + layer_norm({channel}, second, weights.scale2, weights.shift2)));
}

}  // namespace tessera
