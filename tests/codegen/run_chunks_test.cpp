#include "codegen/run_chunks.h"

#include <gtest/gtest.h>

#include <limits>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

constexpr double kLeast = std::numeric_limits<float>::min();

// What a kernel makes of x and y.
Array product_of(double x, double y) {
  const Program program =
      normalize(parse("program p\ndim i = 3\ninput x[i]\ninput y[i]\nout = x * y\noutput out\n"));
  std::map<Tensor, Array> given;
  for (const Tensor& input : program.inputs()) {
    Array array = make_array(DType::f32, {3});
    for (size_t i = 0; i < 3; ++i) array.set(i, input.name() == "x" ? x : y);
    given.emplace(input, array);
  }
  const KernelGroup group = make_group(nests_of(program), needed_of(program));
  Compiler compiler = plain_compiler();
  KernelRunner runner(std::move(given));
  runner.run(compiler.compile(group), group);
  return runner[group.outputs[0]];
}

// f32 products that processors would otherwise need a hundred cycles for.
TEST(RunChunks, TakesSubnormalsForZero) {
  EXPECT_EQ(product_of(kLeast, 0.5).get(0), 0);       // a result
  EXPECT_EQ(product_of(kLeast / 4, 1e30).get(0), 0);  // an operand
  EXPECT_EQ(product_of(kLeast, 1).get(0), kLeast);    // the least that is none
  EXPECT_EQ(product_of(-kLeast * 2, 0.5).get(2), -kLeast);
}

TEST(RunChunks, LeavesTheModeOfTheThread) {
  const volatile float least = static_cast<float>(kLeast);
  product_of(1, 1);
  EXPECT_GT(least * 0.5F, 0);
}

}  // namespace
}  // namespace tessera
