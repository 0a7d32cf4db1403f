#include "codegen/guarded_product.h"

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
         ", k = " + std::to_string(k) + ", t = 2\ninput a[i, k] : " + type +
         "\ninput b[j, k] : " + type + "\ninput s : " + type + "\ninput at[k] : i32\n" + line +
         "\noutput y\n";
}

std::optional<Contraction> contraction_of(const std::string& line) {
  const Program program = normalize(parse(program_of(line, 20, 30, 40)));
  return find_contraction(nest_of(program.outputs()[0].value));
}

TEST(GuardedProduct, TheGuardMovesIntoTheOperandThatHasItsDims) {
  const auto left = contraction_of("y = sum[k](where(k <= i, a * b, 0.0))");
  ASSERT_TRUE(left && left->guarded_a && !left->guarded_b);
  EXPECT_EQ(print(left->a) + " and " + print(left->b), "where(k <= i, a + 0.0, -0.0) and b");
  EXPECT_TRUE(swapped(*left).guarded_b);
  const auto right = contraction_of("y = sum[k](where(j == at, 0.0, a * b))");
  ASSERT_TRUE(right && right->guarded_b && !right->guarded_a);
  EXPECT_EQ(print(right->b), "where(not j == at, b + 0.0, -0.0)");
  const auto integers = contraction_of("y = sum[k](where(k < at, i32(a) * i32(b), 0))");
  ASSERT_TRUE(integers && !integers->guarded_a && !integers->guarded_b);
  EXPECT_EQ(print(integers->a), "where(k < at, i32(a), 0)");
}

TEST(GuardedProduct, LeavesOtherSumsAlone) {
  for (const char* line : {
           "y = sum[k](where(k <= i + j, a * b, 0.0))",      // of both sides
           "y = sum[k](where(k <= i, a * b, 1.0))",          // something instead
           "y = sum[k](where(k <= i, a[i: at] * b, 0.0))",   // may be read outside elsewhere
           "y = sum[k](where(k <= i, b[k: k] * s, 0.0))",    // one operand: a scan
           "y = sum[k](where(at == i, b * b[j: at], 0.0))",  // a scatter
       }) {
    const auto found = contraction_of(line);
    EXPECT_FALSE(found && (found->guarded_a || found->guarded_b)) << line;
  }
  // 0 times s is no number where s is infinite, so it does not multiply the sum.
  const auto scaled = contraction_of("y = sum[k](where(k <= i, s * (a * b), 0.0))");
  EXPECT_FALSE(scaled && scaled->scale);
}

Arrays inputs_of(const Program& program, uint64_t seed) {
  Arrays inputs;
  for (const Tensor& input : program.inputs()) inputs[input.name()] = whole_numbers(input, seed);
  return inputs;
}

// With infinities, numbers that are none and -0 among the inputs, in places that the guard leaves
// out, or not.
void put_specials(Arrays& inputs, RandomSource& random, int64_t count) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const char* name : {"a", "b"}) {
    Array& array = inputs[name];
    for (int64_t i = 0; i < count; ++i) {
      const double value = random.chance(0.4)   ? -0.0
                           : random.chance(0.5) ? inf
                                                : std::numeric_limits<double>::quiet_NaN();
      array.set(static_cast<size_t>(random.below(array.size())), value);
    }
  }
}

TEST(GuardedProduct, EveryLevelComputesWhatTheInterpreterDoes) {
  struct Size {
    int64_t m, n, k;
  };
  RandomSource random(7);
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level);
    for (const Size size : {Size{17, 9, 67}, Size{40, 70, 430}})
      for (const char* type : {"f32", "f64", "i32"})
        for (const char* line :
             {"y = sum[k](where(k <= i, a * b, 0))", "y = sum[k](where(k % 3 == j % 3, a * b, 0))",
              "y = sum[k](where(k < at, a * b, 0)) + 1", "y = sum[k](where(b > 0, 0, a * b))",
              "y = sum[k](where(i < 9, where(k != i, a * b * s, 0), 0))"}) {
          const std::string text = program_of(line, size.m, size.n, size.k, type);
          const Program program = parse(text);
          Arrays inputs = inputs_of(program, 3);
          EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << name_of(level) << "\n"
                                                                    << text;
          if (!is_float(program.get("a").type())) continue;
          for (const int64_t specials : {1, 6}) {
            put_specials(inputs, random, specials);
            EXPECT_EQ(run_and_compare(program, inputs, compiler), "")
                << name_of(level) << " with special values\n"
                << text;
          }
        }
  }
}

TEST(GuardedProduct, EveryScheduleLeavesOutInfinities) {
  const Program program =
      normalize(parse(program_of("y = sum[k](where(k <= i, a * b, 0.0))", 9, 40, 30)));
  Arrays inputs = inputs_of(program, 5);
  inputs["b"].set(29, std::numeric_limits<double>::infinity());  // only the last rows of a meet it
  Compiler compiler = plain_compiler(CpuLevel::host, kSmallBlocks);
  for (const int parts : {1, 3})
    EXPECT_EQ(run_and_compare(program, inputs, compiler, {.parts = parts}), "");
}

}  // namespace
}  // namespace tessera
