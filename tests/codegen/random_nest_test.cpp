#include "tests/codegen/random_nest.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "ir/parse.h"
#include "ir/random_inputs.h"
#include "tests/codegen/run_program.h"

namespace tessera {
namespace {

constexpr int kShards = 10;
constexpr int64_t kPointsForSchedules = 200;

int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : otherwise;
}

// The seeds of one shard. TESSERA_RANDOM_NESTS is how many there are in all; the nightly test asks
// for more. From TESSERA_RANDOM_NEST on, to look for one that ends the process.
std::vector<int> seeds_of(int shard) {
  const int count = from_environment("TESSERA_RANDOM_NESTS", 500);
  std::vector<int> seeds;
  for (int seed = from_environment("TESSERA_RANDOM_NEST", 0); seed < count; ++seed)
    if (seed % kShards == shard) seeds.push_back(seed);
  return seeds;
}

// Small whole numbers; what indexes something stays in its range.
Arrays inputs_of(const Program& program, uint64_t seed) {
  Arrays inputs = random_inputs(program, seed);
  for (const Tensor& input : program.inputs())
    if (input.name().rfind("at_", 0) != 0) inputs[input.name()] = whole_numbers(input, seed++);
  return inputs;
}

class RandomNests : public testing::TestWithParam<int> {};

TEST_P(RandomNests, AgreeWithTheInterpreterAtEveryLevel) {
  const std::vector<CpuLevel> levels = test_levels();
  std::vector<Compiler> compilers;
  std::vector<Compiler> blocked;  // the same, with blocks wherever they can be
  for (const CpuLevel level : levels) {
    compilers.push_back(plain_compiler(level));
    blocked.push_back(plain_compiler(level, kSmallBlocks));
  }
  int small = 0;
  for (const int number : seeds_of(GetParam())) {
    if (HasFailure()) break;
    const auto seed = static_cast<uint64_t>(number);
    const RandomNest nest = random_nest(seed);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + nest.text);
    const Program program = parse(nest.text);
    const Arrays inputs = inputs_of(program, seed);
    const double tolerance = nest.text.find("bf16") != std::string::npos ? 1e-2 : 1e-6;
    RunOptions run{seed % 3 != 0, seed % 2 == 0 ? 1 : 3, tolerance, {}};
    const bool in_blocks = seed % 4 == 1;
    if (in_blocks) run.blocks = kSmallBlocks;
    for (size_t l = 0; l < levels.size(); ++l)
      EXPECT_EQ(run_and_compare(program, inputs, (in_blocks ? blocked : compilers)[l], run), "")
          << name_of(levels[l]);
    // Every sixteenth of the small ones: under all schedules, at one level after the other.
    if (nest.points <= kPointsForSchedules && small++ % 16 == 0)
      EXPECT_EQ(compare_all_schedules(program, inputs, tolerance, levels[seed % levels.size()]), "")
          << name_of(levels[seed % levels.size()]);
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, RandomNests, testing::Range(0, kShards));

}  // namespace
}  // namespace tessera
