// Models that configs/ plans at sizes beyond this machine, at sizes for the interpreter.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "models/blocks.h"
#include "models/expert_transformer.h"
#include "models/optimizers.h"
#include "models/residual_net.h"
#include "models/transformer.h"

namespace tessera {
namespace {

// Losses of steps on one batch.
void expect_to_learn(const Program& step, int steps) {
  const Program normal = normalize(step);
  const Arrays inputs = random_inputs(normal, 3);
  Arrays state = initial_state(normal, 5);
  double first = 0, last = 0;
  for (int s = 0; s < steps; ++s) {
    last = interpret(normal, inputs, state).at("loss").get(0);
    if (s == 0) first = last;
  }
  EXPECT_GT(first, 0);
  EXPECT_LT(last, 0.9 * first) << step.name();
}

TEST(LargeModels, ExpertsLearnABatch) {
  expect_to_learn(expert_transformer({.batch = 2,
                                      .time = 4,
                                      .vocabulary = 5,
                                      .layers = 1,
                                      .model = 6,
                                      .heads = 2,
                                      .feature = 3,
                                      .hidden = 4,
                                      .experts = 3,
                                      .slots = 2},
                                     adam({0.05})),
                  12);
}

TEST(LargeModels, AResidualNetLearnsABatch) {
  expect_to_learn(residual_net({.batch = 4, .size = 8, .blocks = {2, 1}, .width = 2, .labels = 3},
                               adam({0.05})),
                  12);
}

TEST(LargeModels, AGatedTransformerLearnsABatch) {
  TransformerOptions options{.batch = 2,
                             .time = 4,
                             .vocabulary = 5,
                             .layers = 1,
                             .model = 4,
                             .groups = 1,
                             .share = 2,
                             .feature = 2,
                             .hidden = 4};
  options.branches = 2;
  const Program gated = transformer(options, adam({0.05}));
  EXPECT_TRUE(gated.find("gate1").has_value());
  expect_to_learn(gated, 12);
  options.branches = 3;
  try {
    transformer(options);
    FAIL() << "no error";
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "transformer: `branches` is 3; it is 1, or 2 with a gate");
  }
}

TEST(LargeModels, AGateMultipliesTheHiddenUnits) {
  Program p("gated");
  const Dim model("model", 1), hidden("hidden", 1);
  const auto one = [&](const std::string& name, const Dims& dims, double value) {
    return p.parameter(name, dims, constant(value), DType::f64);
  };
  MlpWeights weights = {one("up", {model, hidden}, 3),
                        one("up_bias", {hidden}, 1),
                        one("down", {hidden, model}, 2),
                        one("down_bias", {model}, 0.5),
                        {}};
  weights.gate = one("gate", {model, hidden}, -1);
  const Tensor x = one("x", {model}, 2);
  p.output("y", mlp_block(model, hidden, x, weights));
  Arrays state = initial_state(p, 0);
  // up = 7, gate = -2.
  const double wanted = 2 * 7 * -2 / (1 + std::exp(2.0)) + 0.5;
  EXPECT_NEAR(interpret(p, {}, state).at("y").get(0), wanted, 1e-12);
}

}  // namespace
}  // namespace tessera
