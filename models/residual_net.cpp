#include "models/residual_net.h"

#include "models/convolution.h"
#include "models/layers.h"
#include "models/losses.h"
#include "models/normalization.h"
#include "models/pooling.h"

namespace tessera {
namespace {

constexpr int64_t kExpansion = 4;  // of a bottleneck's channels on its way out

// An image on its way: `value` over batch, y, x and channel.
struct Image {
  Tensor value;
  Dim y;
  Dim x;
  Dim channel;
};

class Net {
 public:
  Net(Program& step, const Dim& batch, bool training)
      : step_(step), batch_(batch), training_(training) {}

  // A convolution of `kernel` by `kernel`, with as much padding as keeps the extent at stride 1,
  // and its norm.
  Image convolve(const std::string& name, const Image& from, const Dim& channel, int64_t kernel,
                 int64_t stride) {
    const int64_t pad = kernel / 2;
    const auto along = [&](const Dim& in, const std::string& axis) {
      return Window{in,
                    Dim("k" + axis, kernel),
                    Dim(axis, output_extent(in.extent(), kernel, stride, 1, pad)),
                    stride,
                    1,
                    pad,
                    pad};
    };
    const Window down = along(from.y, "y"), across = along(from.x, "x");
    const Tensor filter = step_.parameter(
        "filter_" + name, {from.channel, down.kernel, across.kernel, channel}, he());
    const Tensor scale = step_.parameter("scale_" + name, {channel}, constant(1));
    const Tensor shift = step_.parameter("shift_" + name, {channel});
    const Tensor z =
        step_.define("z_" + name, convolution({down, across}, {from.channel}, from.value, filter));
    const std::string norm = "norm_" + name;
    const Expr normal =
        training_
            ? batch_norm_training(step_, norm, {batch_, down.out, across.out}, z, {scale, shift})
            : batch_norm(z, running_moments(step_, norm, {channel}, z.type()), {scale, shift});
    return {step_.define("n_" + name, normal), down.out, across.out, channel};
  }

  Image activated(const std::string& name, const Image& image, const Expr& value) {
    return {step_.define("h_" + name, relu(Tensor(value))), image.y, image.x, image.channel};
  }

  // 1 x 1, 3 x 3 and 1 x 1, and the way around them.
  Image bottleneck(const std::string& name, const Image& from, const Dim& inner, const Dim& outer,
                   int64_t stride) {
    Image h = convolve(name + "a", from, inner, 1, 1);
    h = activated(name + "a", h, h.value);
    h = convolve(name + "b", h, Dim(inner.name() + "_b", inner.extent()), 3, stride);
    h = activated(name + "b", h, h.value);
    const bool plain = stride == 1 && from.channel == outer;
    const Dim out = plain ? Dim(outer.name() + "_c", outer.extent()) : outer;
    const Image last = convolve(name + "c", h, out, 1, 1);
    if (!plain) {
      const Image around = convolve(name + "d", from, outer, 1, stride);
      const Expr met = Expr(around.value).at(around.y, index(last.y)).at(around.x, index(last.x));
      return activated(name, last, last.value + met);
    }
    const Expr back = Expr(last.value)
                          .at(last.y, index(from.y))
                          .at(last.x, index(from.x))
                          .at(last.channel, index(from.channel));
    return activated(name, from, from.value + back);
  }

 private:
  Program& step_;
  const Dim batch_;
  const bool training_;
};

}  // namespace

Program residual_net(const ResidualNetOptions& options, const Optimizer& optimizer) {
  Program step("resnet");
  const Dim batch("batch", options.batch), y("y", options.size), x("x", options.size);
  const Dim colour("colour", 3), label("label", options.labels);
  const Tensor image = step.input("image", {batch, y, x, colour});
  const Tensor truth = step.input("truth", {batch}, DType::i32);
  Net net(step, batch, optimizer != nullptr);
  Image at = net.convolve("first", {image, y, x, colour}, Dim("channel0", options.width), 7, 2);
  at = net.activated("first", at, at.value);
  int64_t width = options.width;
  for (size_t stage = 0; stage < options.blocks.size(); ++stage, width *= 2) {
    const std::string s = std::to_string(stage + 1);
    const Dim inner("inner" + s, width), outer("channel" + s, kExpansion * width);
    for (int64_t block = 0; block < options.blocks[stage]; ++block)
      at = net.bottleneck(s + "_" + std::to_string(block + 1), at, inner, outer,
                          stage > 0 && block == 0 ? 2 : 1);
  }
  const Tensor pooled = step.define("pooled", global_average_pool({at.y, at.x}, at.value));
  const Tensor w = step.parameter("w", {at.channel, label}, glorot());
  const Tensor b = step.parameter("b", {label});
  const Tensor logits = step.define("logits", dense(at.channel, pooled, w, b));
  learn_labels(step, {{batch}, label, logits, truth}, optimizer);
  return step;
}

}  // namespace tessera
