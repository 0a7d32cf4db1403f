#include <gtest/gtest.h>

#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

// Bits and uniform values are equal to the last bit, in vectors and in the rest of a row; normal
// values within the error of the functions they are made of.
class RandomValues : public testing::TestWithParam<CpuLevel> {};

TEST_P(RandomValues, CompiledAreThoseOfTheInterpreter) {
  Compiler compiler = plain_compiler(GetParam());
  for (const char* extents : {"dim a = 37, b = 5", "dim a = 1, b = 300", "dim a = 64, b = 1"}) {
    const std::string head =
        std::string("program r\n") + extents + "\ninput seed[b] : i64\ninput small[a] : i32\n";
    const Program exact =
        parse(head +
              "u = uniform[a, b](3)\nbits = random_bits(seed, small)\n"
              "wide = f64(random_bits(seed * 4000000007, i64(a) - 9)) * 2.0**-53\n"
              "kept = where(uniform[b, a](small) < 0.5, 1.0, 0.0)\n"
              "dice = bits % 6\nlow = bits % 8 + bits // 1024\n"
              "output u\noutput bits\noutput wide\noutput kept\n"
              "output dice\noutput low\n");
    RunOptions options;
    options.tolerance = 0;
    EXPECT_EQ(run_and_compare(exact, random_inputs(exact, 5), compiler, options), "");
    options.fuse = false;
    EXPECT_EQ(run_and_compare(exact, random_inputs(exact, 5), compiler, options), "");
    const Program close =
        parse(head + "n = normal[a, b](seed)\nm = normal[a](7) * f32(small)\noutput n\noutput m\n");
    EXPECT_EQ(run_and_compare(close, random_inputs(close, 6), compiler), "");
  }
}

TEST_P(RandomValues, AreDrawnWithinContractions) {
  Compiler compiler = plain_compiler(GetParam());
  const Program p = parse(
      "program r\ndim m = 40, k = 50, n = 60\ninput x[m, k]\nparam w[k, n] = normal(0, 1)\n"
      "y = sum[k](where(uniform[m, k](9) < 0.9, x, 0) * w)\noutput y\n");
  EXPECT_EQ(run_and_compare(p, random_inputs(p, 5), compiler), "");
}

INSTANTIATE_TEST_SUITE_P(Levels, RandomValues, testing::ValuesIn(test_levels()));

}  // namespace
}  // namespace tessera
