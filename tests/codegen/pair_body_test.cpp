#include "codegen/pair_body.h"

#include <gtest/gtest.h>

#include <limits>

#include "codegen/contraction.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/codegen/run_program.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

std::string program_of(const std::string& line, int64_t m, int64_t n, int64_t k,
                       const std::string& type = "f32") {
  return "program p\ndim i = " + std::to_string(m) + ", j = " + std::to_string(n) +
         ", k = " + std::to_string(k) + ", v = 5\ninput a[i, k] : " + type +
         "\ninput b[j, k] : " + type + "\ninput s[i] : " + type + "\ninput at[i, k] : i32\n" +
         line + "\noutput y\n";
}

std::optional<Contraction> contraction_of(const std::string& line) {
  const Program program = normalize(parse(program_of(line, 20, 30, 40)));
  return find_contraction(nest_of(program.outputs()[0].value));
}

TEST(PairBody, IsWhatAReductionDoesWithTwoElements) {
  const auto c = contraction_of("y = sum[k]((a - b) ** 2)");
  ASSERT_TRUE(c && c->pair);
  EXPECT_EQ(describe(*c), "m = i; n = j; k = k; batch = no dims");
  EXPECT_EQ(print(c->a) + " and " + print(c->b), "a and b");
  EXPECT_EQ(print(c->pair->value), "(left - right) * (left - right)");
  EXPECT_EQ(cycles_of(*c->pair, *c->nest.op), 2);
  EXPECT_EQ(print(swapped(*c).a), "b");
  EXPECT_EQ(swapped(*c).pair->left.name(), "right");
}

// Each operand is as large as it can be: what depends on one side only is computed once, packing.
TEST(PairBody, TakesAllOfASideForAnOperand) {
  const auto c = contraction_of("y = min[k](abs(a) * 2.0 + abs(b))");
  ASSERT_TRUE(c && c->pair);
  EXPECT_EQ(print(c->a) + " and " + print(c->b), "abs(a) * 2.0 and abs(b)");
  EXPECT_EQ(print(c->pair->value), "left + right");
  const auto twice = contraction_of("y = max[k](where(a > b, 2.0 * a, b))");
  ASSERT_TRUE(twice && twice->pair);
  EXPECT_EQ(print(twice->pair->value), "where(left > right, 2.0 * left, right)");
}

TEST(PairBody, LeavesOtherReductionsAlone) {
  for (const char* line : {
           "y = sum[k](exp(a - s))",                         // one side
           "y = sum[k]((a - b) * s * f32(at))",              // no two things to read
           "y = sum[k](exp(sin(a - b)) + log(abs(a - b)))",  // no few operations
           "y = sum[k](where(a > b, a[k: at] - b, 0.0))",    // a may be read outside elsewhere
           "y = sum[k](where(at == v, 1, 0))",               // a scatter
           "y = sum[j](where(j <= i, a[i: j % 20], 0.0))",   // a scan
       })
    EXPECT_FALSE(contraction_of(line) && contraction_of(line)->pair) << line;
  EXPECT_FALSE(contraction_of("y = sum[k](a * b)")->pair);
}

TEST(PairBody, EveryFormAtEveryLevelComputesWhatTheInterpreterDoes) {
  struct Size {
    int64_t m, n, k;
  };
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level);
    for (const Size size : {Size{3, 33, 16}, Size{17, 8, 67}, Size{9, 15, 200}, Size{40, 31, 18}})
      for (const char* type : {"f32", "f64", "i32"})
        for (const char* line :
             {"y = sum[k]((a - b) * (a - b))", "y = sum[k](abs(a - b))", "y = min[k](a + b)",
              "y = max[k](where(a > b, a * b, b))", "y = max[k](a - b) + sum[k](max(a, b))",
              "y = sum[k](where(a == b, 1, 0))", "y = prod[k](where(a == b, -1, 1))",
              "y = min[k](max(a, b)) * s"}) {
          const std::string text = program_of(line, size.m, size.n, size.k, type);
          const Program program = parse(text);
          Arrays inputs;
          for (const Tensor& input : program.inputs())
            inputs[input.name()] = whole_numbers(input, 3);
          EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << name_of(level) << "\n"
                                                                    << text;
        }
  }
}

// A formula over a and b that stays small.
std::string random_body(RandomSource& random, int depth) {
  const auto part = [&] { return random_body(random, depth - 1); };
  if (depth == 0) return random.chance(0.5) ? "a" : "b";
  switch (random.below(7)) {
    case 0:
      return "(" + part() + " + " + part() + ")";
    case 1:
      return "(" + part() + " - " + part() + ")";
    case 2:
      return "abs(" + part() + " - b)";
    case 3:
      return "max(" + part() + ", " + part() + ")";
    case 4:
      return "min(a, " + part() + ")";
    case 5:
      return "where(" + part() + " > b, " + part() + ", " + part() + ")";
    default:
      return "a * b";
  }
}

// Batches, windows and several reduced dims, with random formulas and reductions.
TEST(PairBody, RandomOnesComputeWhatTheInterpreterDoes) {
  int pairs = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    RandomSource random(seed);
    const bool batch = random.chance(0.4);
    const bool window = random.chance(0.4);
    const int64_t i = random.between(3, 20), k = random.between(16, 40);
    const std::string type = random.chance(0.7) ? "f32" : random.chance(0.5) ? "f64" : "i32";
    const char* const op = random.chance(0.4) ? "sum" : random.chance(0.5) ? "min" : "max";
    const std::string text =
        "program p\ndim i = " + std::to_string(i) +
        ", j = " + std::to_string(random.between(4, 40)) + ", k = " + std::to_string(k) +
        ", t = 2, x = " + std::to_string(i + k - 1) + "\ninput left[" + (batch ? "t, " : "") +
        (window ? "x" : "i, k") + "] : " + type + "\ninput right[" + (batch ? "t, " : "") +
        "j, k] : " + type + "\ndef body(a, b) = " + random_body(random, 3) + "\ny = " + op +
        "[k](body(left" + (window ? "[x: i + k]" : "") + ", right))\noutput y\n";
    const Program program = parse(text);
    Arrays inputs;
    for (const Tensor& input : program.inputs()) inputs[input.name()] = whole_numbers(input, seed);
    const Program normal = normalize(program);
    for (const Tensor& tensor : normal.definitions()) {
      const auto found = find_contraction(nest_of(tensor));
      pairs += found && found->pair && worth_tiling(*found) ? 1 : 0;
    }
    for (const CpuLevel level : test_levels()) {
      Compiler compiler = plain_compiler(level);
      EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << name_of(level) << "\n" << text;
    }
  }
  EXPECT_GE(pairs, 25);
}

// NaN, infinities and -0 of a minimum, which starts from infinity.
TEST(PairBody, ExtremesOfSpecialValues) {
  const Program program = parse(program_of("y = max[k](a + b)", 4, 9, 20));
  Arrays inputs;
  for (const Tensor& input : program.inputs()) inputs[input.name()] = whole_numbers(input, 3);
  const double inf = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < 20; ++i) inputs["a"].set(i, -inf);
  inputs["a"].set(25, std::numeric_limits<double>::quiet_NaN());
  inputs["a"].set(45, inf);
  inputs["b"].set(5, -inf);
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level);
    EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << name_of(level);
  }
}

}  // namespace
}  // namespace tessera
