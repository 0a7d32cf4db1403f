#pragma once

#include "models/attention.h"
#include "models/convolution.h"

namespace tessera {

// Blocks that deep networks repeat.

// Two dense layers with gelu between them; or, with a gate, up(x) * silu(gate(x)) between them
// (SwiGLU; Shazeer, 2020).
//   x[…, model], weights over [model, hidden] and [hidden, model]  ->  […, model]
struct MlpWeights {
  Expr up, up_bias;                         // [model, hidden], [hidden]
  Expr down, down_bias;                     // [hidden, model], [model]
  std::optional<Expr> gate = std::nullopt;  // [model, hidden]
};
Expr mlp_block(const Dim& model, const Dim& hidden, const Expr& x, const MlpWeights& weights);

// One layer of a transformer that normalizes first (Xiong et al., 2020):
//
//   x = x + self_attention(rms_norm(x));  x = x + mlp_block(rms_norm(x))
//
//   x[…, time, model]  ->  […, time, model]
struct TransformerWeights {
  Expr attention_scale;  // [model]
  AttentionWeights attention;
  Expr mlp_scale;  // [model]
  MlpWeights mlp;
};
Expr transformer_block(const AttentionDims& dims, const Dim& hidden, const Expr& x,
                       const TransformerWeights& weights,
                       const std::optional<Expr>& mask = std::nullopt);

// Two convolutions, each followed by a layer norm over channels, and the way around them (after He
// et al., 2016, whose norm is batch norm):
//
//   relu(x + norm(convolution(relu(norm(convolution(x))))))
//
//   x[…, ins, channel]  ->  […, ins, channel]
// Every window keeps its extent: out as large as in, stride 1, padded.
struct ResidualWeights {
  Expr filter1, scale1, shift1;  // [kernels, channel, inner], [inner], [inner]
  Expr filter2, scale2, shift2;  // [kernels, inner, channel], [channel], [channel]
};
Expr residual_block(const std::vector<Window>& windows, const Dim& channel, const Dim& inner,
                    const Expr& x, const ResidualWeights& weights);

}  // namespace tessera
