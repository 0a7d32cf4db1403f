#include "codegen/transposed_loads.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/kernel_form.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

// Reads that lie along another loop than the lanes, at every level of processors, on arrays that
// end where memory ends.
class TransposedLoads : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(TransposedLoads, AgreeWithTheInterpreter) {
  const auto [rows, columns] = GetParam();
  for (const char* type : {"f32", "f64", "bf16", "i32", "i8"}) {
    for (const char* formula :
         {"y = x * 2\noutput y[b, a]\n", "y = x + v\noutput y[b, a]\n", "y = max[b](x)\noutput y\n",
          "y = sum[b](x + v)\noutput y\n", "y = min[b](x - w)\noutput y[c, a]\n",
          "y = argmax[b](x)\noutput y\n"}) {
      const std::string text = fmt::format(
          "program p\ndim a = {0}, b = {1}, c = 3\ninput x[a, b] : {2}\ninput v[b, a] : {2}\n"
          "input w[b, c, a] : {2}\n{3}",
          rows, columns, type, formula);
      const Program program = parse(text);
      Arrays inputs;
      for (const Tensor& input : program.inputs()) inputs[input.name()] = whole_numbers(input, 3);
      for (const CpuLevel level : test_levels()) {
        Compiler compiler = plain_compiler(level);
        EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << text << name_of(level);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Extents, TransposedLoads,
                         testing::Combine(testing::Values(4, 16, 37, 64, 130),
                                          testing::Values(2, 5, 16, 33)));

LoopNest scheduled(const std::string& text) {
  return std::get<LoopNest>(kernel_form(fused(text)[0], {}, std::nullopt));
}

TEST(TransposedLoads, AreThoseOfWhichOnlyTheInnermostLoopIsContiguous) {
  const LoopNest copy =
      scheduled("dim a = 512, b = 512\ninput x[a, b]\ninput v[b, a]\ny = x + v\noutput y[b, a]\n");
  ASSERT_EQ(copy.stages.size(), 1u);
  EXPECT_EQ(copy.stages[0].transposed.size(), 1u);
  EXPECT_LT(copy.collapsed, static_cast<int>(copy.shared.size()));
  const LoopNest plain =
      scheduled("dim a = 512, b = 512\ninput x[a, b]\ny = x + 1.0\noutput y[a, b]\n");
  EXPECT_TRUE(plain.stages[0].transposed.empty());
  // Data says where each lane reads.
  const LoopNest gather = scheduled(
      "dim a = 512, b = 512, t = 9\ninput x[b, t]\ninput at[a] : i32\ny = x[t: at] + 1.0\n"
      "output y[b, a]\n");
  EXPECT_TRUE(gather.stages[0].transposed.empty());
}

// What is added up one after the other stays within a block, which holds fewer squares than steps.
TEST(TransposedLoads, KeepLongSumsInBlocks) {
  EXPECT_EQ(run_and_compare("dim a = 70, b = 5003\ninput x[a, b]\ninput v[b, a]\n"
                            "y = sum[b](max(x, v))\noutput y\n"),
            "");
}

}  // namespace
}  // namespace tessera
