#include "models/expert_transformer.h"

#include "models/attention.h"
#include "models/blocks.h"
#include "models/embedding.h"
#include "models/losses.h"
#include "models/mixture_of_experts.h"
#include "models/normalization.h"

namespace tessera {
namespace {

struct LayerDims {
  AttentionDims attention;
  Dim hidden;
  Dim expert;
  Dim slot;
};

Expr layer(Program& step, const LayerDims& dims, const std::string& number, const Expr& x) {
  const AttentionDims& of = dims.attention;
  const auto weight = [&](const std::string& name, const Dims& over) {
    return step.parameter(name + number, over, glorot());
  };
  const Tensor scale_a = step.parameter("scale_a" + number, {of.model}, constant(1));
  const Tensor scale_m = step.parameter("scale_m" + number, {of.model}, constant(1));
  const AttentionWeights attention = {weight("query", {of.model, of.heads[0], of.features[0]}),
                                      weight("key", {of.model, of.heads[0], of.features[0]}),
                                      weight("value", {of.model, of.heads[0], of.value}),
                                      weight("out", {of.heads[0], of.value, of.model})};
  const Tensor mixed = step.define(
      "mixed" + number, x + self_attention(of, attention, rms_norm({of.model}, x, scale_a)));
  const Tensor middle = step.define("middle" + number, rms_norm({of.model}, mixed, scale_m));
  const Tensor router = weight("router", {of.model, dims.expert});
  const Tensor chances = step.define("chances" + number, sum(of.model, middle * router));
  const std::vector<Route> routes = route_top2(of.time, dims.expert, chances);
  const Tensor seen =
      step.define("seen" + number, dispatch(routes, of.time, dims.expert, dims.slot, middle));
  const Expr answer = mlp_block(of.model, dims.hidden, seen,
                                {weight("up", {dims.expert, of.model, dims.hidden}),
                                 step.parameter("up_bias" + number, {dims.expert, dims.hidden}),
                                 weight("down", {dims.expert, dims.hidden, of.model}),
                                 step.parameter("down_bias" + number, {dims.expert, of.model})});
  return mixed + combine(routes, dims.expert, dims.slot, Tensor(answer));
}

}  // namespace

Program expert_transformer(const ExpertTransformerOptions& options, const Optimizer& optimizer) {
  Program step("experts");
  const Dim batch("batch", options.batch), time("time", options.time);
  const Dim vocabulary("vocabulary", options.vocabulary);
  const Tensor token = step.input("token", {batch, time}, DType::i32);
  const Tensor truth = step.input("truth", {batch, time}, DType::i32);
  const Dim feature("feature", options.feature);
  const LayerDims dims = {{time,
                           Dim("seen", options.time),
                           Dim("model", options.model),
                           {Dim("head", options.heads)},
                           {feature},
                           Dim("value", options.feature),
                           true,
                           0},
                          Dim("hidden", options.hidden),
                          Dim("expert", options.experts),
                          Dim("slot", options.slots)};
  const Dim& model = dims.attention.model;
  const Tensor table = step.parameter("table", {vocabulary, model}, normal(0, 0.02));
  Tensor x = step.define("x0", embedding(vocabulary, table, token));
  for (int64_t i = 1; i <= options.layers; ++i)
    x = step.define("x" + std::to_string(i), layer(step, dims, std::to_string(i), x));
  const Tensor scale = step.parameter("scale", {model}, constant(1));
  const Tensor w = step.parameter("w", {model, vocabulary}, glorot());
  const Tensor last = step.define("last", rms_norm({model}, x, scale));
  const Tensor logits = step.define("logits", sum(model, last * w));
  learn_labels(step, {{batch, time}, vocabulary, logits, truth}, optimizer);
  return step;
}

}  // namespace tessera
