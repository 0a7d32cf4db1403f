#include "models/capsule_net.h"

#include <cmath>

#include "base/error.h"
#include "models/capsules.h"
#include "models/layers.h"
#include "models/losses.h"

namespace tessera {
namespace {

// With this expected mass and the paper's lambda, activations can leave the middle of the sigmoid.
constexpr double kExpectedMass = 20;

// The capsules of one layer: over batch, y, x and kind; poses over row and col, too.
struct Layer {
  Capsules capsules;
  Dim y;
  Dim x;
  Dim kind;
};

struct Pose {
  Dim row;
  Dim mid;
  Dim col;
};

Window window(const Dim& in, const std::string& name, int64_t kernel, int64_t stride) {
  return {in, Dim("k" + name, kernel), Dim(name, output_extent(in.extent(), kernel, stride)),
          stride};
}

Layer primary(Program& step, const Tensor& image, const Dim& y, const Dim& x, const Pose& pose,
              const CapsuleNetOptions& options) {
  const Window down = window(y, "y1", options.kernel, 2);
  const Window across = window(x, "x1", options.kernel, 2);
  const Dim channel("channel", options.channels[0]), kind("kind1", options.channels[1]);
  const Tensor filter = step.parameter("filter", {down.kernel, across.kernel, channel}, he());
  const Tensor bias = step.parameter("bias", {channel});
  const Tensor z = step.define("z", convolution({down, across}, {}, image, filter) + bias);
  const Tensor h = step.define("h", relu(z));
  const Tensor w = step.parameter("w_pose", {channel, kind, pose.row, pose.col}, he());
  const Tensor w_active = step.parameter("w_active", {channel, kind}, glorot());
  const Tensor b_active = step.parameter("b_active", {kind});
  const Tensor poses = step.define("pose1", sum(channel, h * w));
  const Tensor active =
      step.define("active1", sigmoid(Tensor(dense(channel, h, w_active, b_active))));
  return {{poses, active}, down.out, across.out, kind};
}

// The parents of `from`: votes, and where they agree. `place` adds the children's positions.
Capsules connect(Program& step, const Layer& from, const Routing& routing, const Pose& pose,
                 const std::string& number, const CapsuleNetOptions& options, bool place) {
  Dims dims = {from.kind, routing.parent[0], pose.mid, pose.col};
  for (const Window& each : routing.windows) dims.push_back(each.kernel);
  const Tensor w = step.parameter("w" + number, dims, normal(0, 1 / std::sqrt(pose.mid.extent())));
  const Tensor beta_u = step.parameter("beta_u" + number, routing.parent);
  const Tensor beta_a = step.parameter("beta_a" + number, routing.parent);
  const Expr named = from.capsules.pose.at(pose.col, index(pose.mid));
  Expr vote = step.define("vote" + number, capsule_votes(routing, pose.mid, named, w));
  const auto scaled = [](const Dim& dim) {
    return (cast(DType::f32, index(dim)) + 0.5) / static_cast<double>(dim.extent());
  };
  if (place)
    vote = step.define("placed" + number,
                       add_coordinates(pose.row, pose.col, vote, scaled(from.y), scaled(from.x)));
  EmOptions em;
  em.iterations = static_cast<int>(options.iterations);
  em.expected_mass = kExpectedMass;
  const Capsules found = em_routing(routing, {vote, from.capsules.activation, beta_u, beta_a}, em);
  return {step.define("pose" + number, found.pose),
          step.define("active" + number, found.activation)};
}

}  // namespace

Program capsule_net(const CapsuleNetOptions& options, const Optimizer& optimizer) {
  if (options.channels.size() < 2)
    throw UserError("capsule_net: `channels` has " + std::to_string(options.channels.size()) +
                    " numbers; it needs those of the convolution and of the primary capsules");
  Program step("capsules");
  const Dim batch("batch", options.batch), y("y", options.size), x("x", options.size);
  const Dim label("label", options.labels);
  const Pose pose = {Dim("row", options.pose), Dim("mid", options.pose), Dim("col", options.pose)};
  const Tensor image = step.input("image", {batch, y, x});
  const Tensor truth = step.input("truth", {batch}, DType::i32);
  const bool training = optimizer != nullptr;

  Layer layer = primary(step, image, y, x, pose, options);
  for (size_t i = 2; i < options.channels.size(); ++i) {
    const std::string number = std::to_string(i);
    const int64_t stride = i == 2 ? 2 : 1;
    const Window down = window(layer.y, "y" + number, 3, stride);
    const Window across = window(layer.x, "x" + number, 3, stride);
    const Dim kind("kind" + number, options.channels[i]);
    const Routing routing = {{down, across}, {layer.kind}, {kind}, {pose.row, pose.col}};
    const Capsules found = connect(step, layer, routing, pose, number, options, false);
    layer = {found, down.out, across.out, kind};
  }
  const Routing last = {{}, {layer.y, layer.x, layer.kind}, {label}, {pose.row, pose.col}};
  const Capsules classes = connect(step, layer, last, pose, "_class", options, true);

  const Tensor done = step.state("margin_step", {}, zeros(), DType::i32);
  const Expr margin = spread_margin(done, static_cast<double>(options.margin_ramp));
  const Tensor loss =
      step.define("loss", mean(batch, spread_loss(label, classes.activation, truth, margin)));
  if (training) {
    step.minimize(loss, optimizer);
    step.update(done, done + 1);
  }
  step.output("loss", loss);
  step.output("accuracy", accuracy({batch}, label, classes.activation, truth));
  return step;
}

}  // namespace tessera
