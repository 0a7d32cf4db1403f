#include "models/transformer.h"

#include "base/error.h"
#include "models/blocks.h"
#include "models/embedding.h"
#include "models/layers.h"
#include "models/losses.h"
#include "models/normalization.h"

namespace tessera {
namespace {

TransformerWeights layer_weights(Program& step, const AttentionDims& dims, const Dim& hidden,
                                 const std::string& number, int64_t branches) {
  const auto weight = [&](const std::string& name, const Dims& over) {
    return step.parameter(name + number, over, glorot());
  };
  const Dim& group = dims.heads[0];
  const Dim& share = dims.heads[1];
  const Dim& pair = dims.features[0];
  const Dim& part = dims.features[1];
  const AttentionWeights attention = {weight("query", {dims.model, group, share, pair, part}),
                                      weight("key", {dims.model, group, pair, part}),
                                      weight("value", {dims.model, group, dims.value}),
                                      weight("out", {group, share, dims.value, dims.model})};
  const Tensor scale_a = step.parameter("scale_a" + number, {dims.model}, constant(1));
  const Tensor scale_m = step.parameter("scale_m" + number, {dims.model}, constant(1));
  MlpWeights mlp = {weight("up", {dims.model, hidden}),
                    step.parameter("up_bias" + number, {hidden}),
                    weight("down", {hidden, dims.model}),
                    step.parameter("down_bias" + number, {dims.model}),
                    {}};
  if (branches == 2) mlp.gate = weight("gate", {dims.model, hidden});
  return {scale_a, attention, scale_m, mlp};
}

}  // namespace

Program transformer(const TransformerOptions& options, const Optimizer& optimizer) {
  if (options.feature % 2 != 0)
    throw UserError("transformer: `feature` is " + std::to_string(options.feature) +
                    "; rotary positions turn pairs, so it must be even");
  if (options.branches > 2)
    throw UserError("transformer: `branches` is " + std::to_string(options.branches) +
                    "; it is 1, or 2 with a gate");
  Program step("transformer");
  const Dim batch("batch", options.batch), time("time", options.time);
  const Dim vocabulary("vocabulary", options.vocabulary), hidden("hidden", options.hidden);
  const Tensor token = step.input("token", {batch, time}, DType::i32);
  const Tensor truth = step.input("truth", {batch, time}, DType::i32);
  const AttentionDims dims = {time,
                              Dim("seen", options.time),
                              Dim("model", options.model),
                              {Dim("group", options.groups), Dim("share", options.share)},
                              {Dim("pair", options.feature / 2), Dim("part", 2)},
                              Dim("feature", options.feature),
                              true,
                              10000};
  const Tensor table = step.parameter("table", {vocabulary, dims.model}, normal(0, 0.02));
  Tensor x = step.define("x0", embedding(vocabulary, table, token));
  for (int64_t i = 1; i <= options.layers; ++i) {
    const std::string number = std::to_string(i);
    x = step.define("x" + number,
                    transformer_block(dims, hidden, x,
                                      layer_weights(step, dims, hidden, number, options.branches)));
  }
  const Tensor scale = step.parameter("scale", {dims.model}, constant(1));
  const Tensor w = step.parameter("w", {dims.model, vocabulary}, glorot());
  const Tensor last = step.define("last", rms_norm({dims.model}, x, scale));
  const Tensor logits = step.define("logits", sum(dims.model, last * w));
  learn_labels(step, {{batch, time}, vocabulary, logits, truth}, optimizer);
  return step;
}

}  // namespace tessera
