// Contractions of which the lanes of vectors are batches (ContractionSchedule::batched).

#include <gtest/gtest.h>

#include <stdexcept>

#include "codegen/contraction_schedule.h"
#include "codegen/machine.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

// y[i, j, c], with batches c innermost in the result.
std::string program_of(const std::string& line, int64_t c, int64_t k, const std::string& type) {
  return "program p\ndim i = 11, j = 13, k = " + std::to_string(k) + ", c = " + std::to_string(c) +
         ", t = 3\ninput a[i, k, c] : " + type + "\ninput b[j, k, c] : " + type +
         "\ninput w[k, j] : " + type + "\ninput far[c, i, k] : " + type + "\ninput s[c] : " + type +
         "\n" + line + "\noutput y\n";
}

ContractionPlan plan_of(const std::string& text,
                        const VectorTarget& target = vectors_of(CpuLevel::host)) {
  const Program program = normalize(parse(text));
  for (const Tensor& tensor : program.definitions()) {
    const Nest nest = nest_of(tensor);
    const std::optional<ContractionGroup> group = find_contraction(make_group({nest}, {tensor}));
    if (group) return plan_contraction(*group, target);
  }
  throw std::runtime_error("no contraction in " + text);
}

TEST(BatchedLanes, AreTakenWhereTheResultHasABatchInnermost) {
  const VectorTarget wide{.vector_bytes = 64, .registers = 32};
  const auto batched = [&](const char* line, int64_t c) {
    return plan_of(program_of(line, c, 60, "f32"), wide).schedule.batched;
  };
  EXPECT_TRUE(batched("y = sum[k](a * b)", 64));
  EXPECT_TRUE(batched("y = min[k](a + b)", 64));
  EXPECT_FALSE(batched("y = sum[k](a * w)", 64)) << "c is no batch";
  EXPECT_FALSE(batched("y = sum[k](a * b)", 2)) << "most lanes would be empty";
}

TEST(BatchedLanes, EveryLevelComputesWhatTheInterpreterDoes) {
  int batched = 0;
  for (const CpuLevel level : test_levels()) {
    Compiler compiler = plain_compiler(level);
    for (const int64_t c : {5, 16, 37})
      for (const auto& [type, k] :
           {std::pair("f32", 230), std::pair("f64", 17), std::pair("i32", 40)})
        for (const char* line :
             {"y = sum[k](a * b)", "y = max[k](a - b) + s",
              "y = sum[k](where(k <= i, a * b, 0)) * s", "y = sum[k](far * b)"}) {
          const std::string text = program_of(line, c, k, type);
          batched += plan_of(text).schedule.batched ? 1 : 0;
          const Program program = parse(text);
          Arrays inputs;
          for (const Tensor& input : program.inputs())
            inputs[input.name()] = whole_numbers(input, 3);
          EXPECT_EQ(run_and_compare(program, inputs, compiler), "") << name_of(level) << "\n"
                                                                    << text;
          EXPECT_EQ(run_and_compare(program, inputs, compiler, {.parts = 3}), "")
              << name_of(level) << " in parts\n"
              << text;
        }
  }
  EXPECT_GE(batched, 9);
}

}  // namespace
}  // namespace tessera
