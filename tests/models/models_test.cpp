#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/random.h"
#include "models/layers.h"
#include "models/losses.h"
#include "models/mlp.h"
#include "models/optimizers.h"
#include "models/registry.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

Array random_floats(std::vector<int64_t> shape, uint64_t seed) {
  Array array = make_array(DType::f32, std::move(shape));
  for (size_t i = 0; i < array.size(); ++i) array.set(i, normal_value(seed, 1, i));
  return array;
}

TEST(Layers, SoftmaxIsStableAndSumsToOne) {
  Program p("softmax");
  const Dim label("label", 4), row("row", 2);
  const Tensor x = p.input("x", {row, label});
  p.output("y", softmax(label, x), {row, label});
  p.output("z", log_softmax(label, x), {row, label});
  Arrays inputs = {{"x", random_floats({2, 4}, 3)}};
  inputs["x"].set(1, 1000);
  Arrays state;
  const Arrays out = interpret(p, inputs, state);
  for (size_t r = 0; r < 2; ++r) {
    double total = 0;
    for (size_t k = 0; k < 4; ++k) {
      const double probability = out.at("y").get(4 * r + k);
      total += probability;
      EXPECT_TRUE(std::isfinite(out.at("z").get(4 * r + k)));
      EXPECT_NEAR(std::exp(out.at("z").get(4 * r + k)), probability, 1e-6);
    }
    EXPECT_NEAR(total, 1, 1e-6);
  }
}

TEST(Layers, GeluAndReluAtKnownPoints) {
  Program p("activations");
  const Dim i("i", 3);
  const Tensor x = p.input("x", {i});
  p.output("relu", relu(x));
  p.output("gelu", gelu(x));
  Arrays inputs = {{"x", make_array(DType::f32, {3})}};
  inputs["x"].set(0, -1);
  inputs["x"].set(2, 1);
  Arrays state;
  const Arrays out = interpret(p, inputs, state);
  EXPECT_EQ(out.at("relu").get(0), 0);
  EXPECT_EQ(out.at("relu").get(2), 1);
  EXPECT_NEAR(out.at("gelu").get(0), -0.15865525, 1e-6);
  EXPECT_NEAR(out.at("gelu").get(2), 0.84134475, 1e-6);
}

double loss_after(int steps, const Optimizer& optimizer) {
  const Program step = mlp({8, 6, {5}, 3}, optimizer);
  Arrays state = initial_state(step, 11);
  Arrays inputs = {{"image", random_floats({8, 6}, 5)}, {"truth", make_array(DType::i32, {8})}};
  for (size_t i = 0; i < 8; ++i) inputs["truth"].set(i, static_cast<double>(i % 3));
  double loss = 0;
  for (int s = 0; s < steps; ++s) loss = interpret(step, inputs, state).at("loss").get(0);
  return loss;
}

TEST(Optimizers, EachLowersTheLossOfAFixedBatch) {
  const double start = loss_after(1, sgd(0.1));
  EXPECT_GT(start, 0.5);
  EXPECT_LT(loss_after(40, sgd(0.5)), 0.6 * start);
  EXPECT_LT(loss_after(40, sgd(0.1, 0.9)), 0.6 * start);
  EXPECT_LT(loss_after(40, adam({0.02})), 0.6 * start);
}

TEST(Optimizers, AdamsFirstStepIsTheLearningRate) {
  Program p("adam");
  const Dim i("i", 2);
  const Tensor w = p.parameter("w", {i}, constant(1), DType::f64);
  p.minimize(sum(i, 3 * w), adam({0.01}));
  Arrays state = initial_state(p, 0);
  interpret(p, {}, state);
  EXPECT_NEAR(state.at("w").get(0), 0.99, 1e-9);
  EXPECT_NEAR(state.at("beta1_power_f64").get(0), 0.9, 1e-12);
}

TEST(Registry, NamesUnknownModelsAndOptions) {
  EXPECT_EQ(build_model("mlp", {{"hidden", {7}}}).parameters().size(), 4u);
  for (const ModelInfo& model : all_models())
    EXPECT_EQ(build_model(model.name, {{"batch", {3}}}).inputs()[0].dims()[0].extent(), 3);
  const auto message = [](const std::string& name, const ModelOptions& options) {
    try {
      build_model(name, options);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message("mpl", {}),
            "there is no model `mpl`; known are mlp, cnn, capsules, "
            "transformer, experts, resnet, lstm (did you mean `mlp`?)");
  EXPECT_EQ(message("mlp", {{"hiden", {5}}}),
            "model `mlp` has no option `hiden`; it takes batch, hidden, labels, pixels (did you "
            "mean `hidden`?)");
  EXPECT_EQ(message("mlp", {{"batch", {0}}}),
            "option `batch` of model `mlp` is 0; it must be at least 1");
}

}  // namespace
}  // namespace tessera
