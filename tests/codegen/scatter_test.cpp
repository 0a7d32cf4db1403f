#include "codegen/scatter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codegen/kernel_model.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

constexpr const char* kTables = R"(program p
dim e = 40, n = 6, d = 5
input to[e] : i32
input x[e, d]
input w[n, d]
)";

Program with(const std::string& lines) {
  return parse(kTables + lines + "output z\n");
}

void expect_agreement(const std::string& lines) {
  SCOPED_TRACE(lines);
  const Program program = with(lines);
  Arrays given;
  for (const Tensor& input : program.inputs()) {
    Array array = whole_numbers(input, 3);
    // Some positions are outside, and some places get nothing.
    if (input.name() == "to")
      for (size_t i = 0; i < array.size(); ++i) array.set(i, static_cast<double>(i * i % 8) - 1);
    given.emplace(input.name(), array);
  }
  Compiler compiler = plain_compiler();
  for (const bool fused : {false, true})
    EXPECT_EQ(run_and_compare(program, given, compiler, {fused, fused ? 1 : 3}), "");
}

TEST(Scatter, IsAnyReductionThatAnEquationGuards) {
  for (const char* reduction : {"sum[e](where(to == n, x, 0))", "max[e](where(to == n, x, -inf))",
                                "min[e](where(n == to, x, inf))",
                                "prod[e](where(to == n, x / 4, 1))", "sum[e](f32(to == n) * x)"}) {
    const std::string line = fmt::format("z = {}\n", reduction);
    EXPECT_TRUE(find_scatter(nests_of(normalize(with(line))).back())) << line;
    expect_agreement(line);
  }
}

// What the target's place holds is read at the position.
TEST(Scatter, ReadsAtThePosition) {
  const std::string line = "z = sum[e](where(to == n, x * w - w, 0))\n";
  const std::optional<Scatter> scatter = find_scatter(nests_of(normalize(with(line))).back());
  ASSERT_TRUE(scatter);
  EXPECT_EQ(print(scatter->value), "x * w[n: to pad 0.0] - w[n: to pad 0.0]");
  expect_agreement(line);
  expect_agreement(
      "m = max[e](where(to == n, x, -inf))\n"
      "s = sum[e](where(to == n, exp(x - m), 0))\nz = x - m[n: 0] - s[n: 0]\n");
}

TEST(Scatter, TakesOneStepForEachValue) {
  const auto operations = [](int n) {
    const Program program = normalize(
        parse(fmt::format("program p\ndim e = 1000, n = {}\ninput to[e] : i32\ninput x[e]\n"
                          "z = max[e](where(to == n, x, -inf))\noutput z\n",
                          n)));
    return operations_of(nests_of(program).back());
  };
  EXPECT_NEAR(operations(100), operations(10), 1e-6);
}

}  // namespace
}  // namespace tessera
