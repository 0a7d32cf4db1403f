#include "models/cnn.h"

#include "base/error.h"
#include "models/layers.h"
#include "models/losses.h"
#include "models/normalization.h"
#include "models/pooling.h"

namespace tessera {
namespace {

// An image on its way through the stages: `value` over batch, y, x and channel.
struct Stage {
  Tensor value;
  Dim y;
  Dim x;
  std::optional<Dim> channel;  // the first image has none
};

Window window(const Dim& in, const std::string& name, int64_t kernel, int64_t stride) {
  return {in, Dim("k" + name, kernel), Dim(name, output_extent(in.extent(), kernel, stride)),
          stride};
}

Stage convolve(Program& step, const Stage& from, const Dim& batch, const std::string& number,
               const CnnOptions& options, int64_t channels, bool training) {
  const Window down = window(from.y, "y" + number, options.kernel, 1);
  const Window across = window(from.x, "x" + number, options.kernel, 1);
  const Dim channel("channel" + number, channels);
  Dims filter_dims = {down.kernel, across.kernel, channel};
  Dims summed;
  if (from.channel) {
    filter_dims.insert(filter_dims.begin(), *from.channel);
    summed.push_back(*from.channel);
  }
  const Tensor filter = step.parameter("filter" + number, filter_dims, he());
  const Tensor scale = step.parameter("scale" + number, {channel}, constant(1));
  const Tensor shift = step.parameter("shift" + number, {channel});
  const Tensor z =
      step.define("z" + number, convolution({down, across}, summed, from.value, filter));
  const std::string norm = "norm" + number;
  const Expr normal =
      training ? batch_norm_training(step, norm, {batch, down.out, across.out}, z, {scale, shift})
               : batch_norm(z, running_moments(step, norm, {channel}, z.type()), {scale, shift});
  const Tensor h = step.define("h" + number, relu(Tensor(normal)));
  const Window half = window(down.out, "py" + number, 2, 2);
  const Window aside = window(across.out, "px" + number, 2, 2);
  const Tensor pooled = step.define("pool" + number, max_pool({half, aside}, h));
  return {pooled, half.out, aside.out, channel};
}

}  // namespace

Program cnn(const CnnOptions& options, const Optimizer& optimizer) {
  Program step("cnn");
  const Dim batch("batch", options.batch), y("y", options.size), x("x", options.size);
  const Dim label("label", options.labels);
  const Tensor image = step.input("image", {batch, y, x});
  const Tensor truth = step.input("truth", {batch}, DType::i32);
  const bool training = optimizer != nullptr;

  Stage stage = {image, y, x, std::nullopt};
  for (size_t i = 0; i < options.channels.size(); ++i)
    stage =
        convolve(step, stage, batch, std::to_string(i + 1), options, options.channels[i], training);
  Dims features = {stage.y, stage.x};
  if (stage.channel) features.push_back(*stage.channel);
  Dims weight_dims = features;
  weight_dims.push_back(label);
  const Tensor w = step.parameter("w", weight_dims, glorot());
  const Tensor b = step.parameter("b", {label});
  const Tensor logits = step.define("logits", sum(features, stage.value * w) + b);
  learn_labels(step, {{batch}, label, logits, truth}, optimizer);
  return step;
}

}  // namespace tessera
