#include "ir/rank_dims.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

std::vector<std::string> ranked(const std::string& dims, const std::string& lines) {
  return names(rank_dims(parse("program p\ndim " + dims + "\n" + lines)).dims());
}

using Names = std::vector<std::string>;

TEST(RankDims, FollowsInputsAndOutputsAndNotDeclarations) {
  const std::string lines = "input x[b, a, c]\ny = sqrt(x)\noutput y[b, a, c]\n";
  for (const char* dims : {"a = 4, b = 8, c = 2", "c = 2, b = 8, a = 4", "b = 8, a = 4, c = 2"})
    EXPECT_EQ(ranked(dims, lines), (Names{"b", "a", "c"}));
}

TEST(RankDims, LargeTensorsDecide) {
  const std::string lines = "input x[b, a, c]\ninput w[a, b]\ny = sum[c](x) * w\noutput y[a, b]\n";
  EXPECT_EQ(ranked("a = 4, b = 8, c = 9", lines), (Names{"b", "a", "c"}));
  EXPECT_EQ(ranked("a = 4, b = 8, c = 1", lines), (Names{"a", "b", "c"}));
}

TEST(RankDims, WhatNothingOrdersStaysAndWhatNothingGivenHasComesLast) {
  EXPECT_EQ(
      ranked("k = 3, a = 4, b = 8",
             "input x[a]\ninput w[b]\ny = sum[k](x * w * f32(k))\nz = sum[a, b](y)\noutput z\n"),
      (Names{"a", "b", "k"}));
}

TEST(RankDims, KeepsStatedOrdersAndThoseOfTargets) {
  const Program program = rank_dims(parse(R"(program p
dim a = 4, b = 8
input x[b, a]
param w[a, b] = 0.5
y[b, a] = x * w
z = x + y
update w = w - 0.1 * z
output z[b, a]
)"));
  EXPECT_EQ(names(program.get("y").dims()), (Names{"b", "a"}));
  EXPECT_EQ(names(program.get("z").dims()), (Names{"b", "a"}));
  EXPECT_EQ(program.updates()[0].value.dims(), program.updates()[0].target.dims());
}

TEST(RankDims, ChangesNoValue) {
  RandomProgramOptions options;
  options.loops = true;
  options.gradients = true;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const Program program = random_program(seed, options);
    const Program other = rank_dims(program);
    const Arrays inputs = random_inputs(program, seed);
    Arrays state = initial_state(program, seed), other_state = state;
    const Arrays wanted = interpret(program, inputs, state);
    const Arrays found = interpret(other, inputs, other_state);
    for (const auto& [name, array] : wanted)
      for (size_t i = 0; i < array.size(); ++i)
        ASSERT_NEAR(found.at(name).get(i), array.get(i), 1e-4 * (1 + std::abs(array.get(i))))
            << "seed " << seed << " " << name << "\n"
            << print(program) << print(other);
    EXPECT_TRUE(rank_dims(other) == other) << print(other);
  }
}

}  // namespace
}  // namespace tessera
