#include "codegen/interleave.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/kernel_form.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

constexpr VectorTarget kWide = {64, 32, 32 << 10, 1 << 20, 32 << 20};
constexpr VectorTarget kNarrow = {32, 16, 32 << 10, 1 << 20, 32 << 20};

LoopNest scheduled(const std::string& text) {
  return std::get<LoopNest>(kernel_form(fused(text)[0], {}, std::nullopt));
}

int steps_of(const std::string& text, const VectorTarget& target) {
  const LoopNest nest = scheduled(text);
  return interleaved_steps(nest, nest.stages.back(), target);
}

TEST(Interleave, ShortStepsTakeTurns) {
  const std::string narrow = "dim k = 100, o = 7\ninput x[k, o]\n";
  EXPECT_EQ(steps_of(narrow + "y = sum[k](x)\noutput y\n", kWide), 4);
  EXPECT_EQ(steps_of(narrow + "y = max[k](x)\noutput y\n", kNarrow), 4);
  // No more turns than steps.
  EXPECT_EQ(steps_of("dim k = 3, o = 7\ninput x[k, o]\ny = sum[k](x)\noutput y\n", kWide), 3);
  // What takes long enough hides the wait, and so do many vectors.
  EXPECT_EQ(steps_of(narrow + "y = sum[k](exp(x))\noutput y\n", kWide), 1);
  // There is nothing to add up.
  EXPECT_EQ(steps_of(narrow + "y = x + 1.0\noutput y\n", kWide), 1);
}

TEST(Interleave, LessIsWaitedFor) {
  const LoopNest nest = scheduled("dim k = 100, o = 7\ninput x[k, o]\ny = max[k](x)\noutput y\n");
  EXPECT_LT(stalled_cycles(nest, nest.stages[0], kWide), 1);
  const LoopNest three = scheduled("dim k = 2, o = 7\ninput x[k, o]\ny = max[k](x)\noutput y\n");
  EXPECT_GT(stalled_cycles(three, three.stages[0], kWide), 1);
}

// Steps that no number of turns divides, blocks of long sums, lanes along what is reduced.
class Turns : public testing::TestWithParam<int> {};

TEST_P(Turns, AgreeWithTheInterpreter) {
  for (const char* formula :
       {"y = sum[k](x)\noutput y\n", "y = max[k](x)\noutput y\n", "y = min[k, o](x)\noutput y\n",
        "y = sum[k](z)\noutput y\n", "y = prod[k](where(x > 2.0, 2.0, 1.0))\noutput y\n",
        "y = sum[o](x * w)\noutput y\n"}) {
    const Program program =
        parse(fmt::format("program p\ndim k = {0}, o = 5, c = 3\ninput x[k, o]\ninput w[o]\n"
                          "input z[o, k]\n{1}",
                          GetParam(), formula));
    Arrays inputs;
    for (const Tensor& input : program.inputs()) inputs[input.name()] = whole_numbers(input, 3);
    for (const CpuLevel level : test_levels()) {
      Compiler compiler = plain_compiler(level);
      EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << print(program) << name_of(level);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Extents, Turns, testing::Values(2, 3, 7, 64, 131, 517));

}  // namespace
}  // namespace tessera
