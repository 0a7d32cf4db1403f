#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/kernel_form.h"
#include "codegen/transposed_loads.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

LoopNest scheduled(const std::string& text) {
  return std::get<LoopNest>(kernel_form(fused(text)[0], {}, std::nullopt));
}

TEST(TransposedStores, AreThoseOfWhichOnlyTheInnermostLoopIsContiguous) {
  const std::string dims = "dim a = 512, b = 512, k = 5, n = 516\ninput x[n, a]\ninput v[b, a]\n";
  // A window along b is read more often than y is written.
  const LoopNest window =
      scheduled(dims + "state y[a, b] = 0.0\nupdate y = max[k](x[n: b + k])\noutput y\n");
  const TransposedStores rows = transposed_stores(window);
  ASSERT_EQ(rows.stores.size(), 1u) << describe(window);
  EXPECT_EQ(window.loops[static_cast<size_t>(rows.loop)].name, "b");
  EXPECT_LT(window.collapsed, static_cast<int>(window.shared.size()));
  const LoopNest plain = scheduled(dims + "y[b, a] = v + 1.0\noutput y[b, a]\n");
  EXPECT_TRUE(transposed_stores(plain).stores.empty());
}

// Squares that neither side divides, on arrays that end where memory ends.
class RowsOfSteps : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(RowsOfSteps, AgreeWithTheInterpreter) {
  const auto [a, b] = GetParam();
  for (const char* type : {"f32", "f64", "bf16", "i32", "u8"})
    for (const char* formula : {"max[k](x[n: b + k])", "min[k](x[n: b + k] * v)",
                                "max[k](where(b > 2, x[n: b + k], v))", "x[n: b] + v"}) {
      // What is kept lies as it is stated, across the lanes of x.
      const Program program = parse(
          fmt::format("program p\ndim a = {0}, b = {1}, k = 3, n = {2}\ninput x[n, a] : {3}\n"
                      "input v[b, a] : {3}\nstate y[a, b] : {3} = 0\nupdate y = {4}\noutput y\n",
                      a, b, b + 2, type, formula));
      Arrays inputs;
      for (const Tensor& input : program.inputs()) inputs[input.name()] = whole_numbers(input, 3);
      for (const CpuLevel level : test_levels()) {
        Compiler compiler = plain_compiler(level);
        EXPECT_EQ(run_and_compare(program, inputs, compiler), "")
            << print(program) << name_of(level);
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Extents, RowsOfSteps,
                         testing::Combine(testing::Values(4, 37, 130), testing::Values(5, 33)));

}  // namespace
}  // namespace tessera
