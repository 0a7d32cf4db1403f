#include "models/mlp.h"

#include "models/layers.h"
#include "models/losses.h"

namespace tessera {

Program mlp(const MlpOptions& options, const Optimizer& optimizer) {
  Program step("mlp");
  const Dim batch("batch", options.batch);
  Dim width("pixel", options.pixels);
  const Tensor image = step.input("image", {batch, width});
  const Tensor truth = step.input("truth", {batch}, DType::i32);

  Expr x = image;
  const size_t layers = options.hidden.size() + 1;
  Dim next = width;
  for (size_t layer = 1; layer <= layers; ++layer) {
    const std::string number = std::to_string(layer);
    const bool last = layer == layers;
    next = last ? Dim("label", options.labels) : Dim("hidden" + number, options.hidden[layer - 1]);
    const Tensor w = step.parameter("w" + number, {width, next}, last ? glorot() : he());
    const Tensor b = step.parameter("b" + number, {next});
    const Expr z = dense(width, x, w, b);
    x = last ? step.define("logits", z) : step.define("h" + number, relu(z));
    width = next;
  }
  learn_labels(step, {{batch}, next, x, truth}, optimizer);
  return step;
}

}  // namespace tessera
