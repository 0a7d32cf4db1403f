#include <gtest/gtest.h>

#include "ir/parse.h"
#include "tests/codegen/run_program.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

constexpr int kSeeds = 320;

// Normalize, fuse, compile, run, compare with the interpreter; at one level after the other. Shards
// keep one test short.
class RandomPrograms : public testing::TestWithParam<int> {};

TEST_P(RandomPrograms, AgreeWithTheInterpreter) {
  std::vector<Compiler> compilers;
  for (const CpuLevel level : test_levels()) compilers.push_back(plain_compiler(level));
  for (int i = 0; i < kSeeds / 8; ++i) {
    const auto seed = static_cast<uint64_t>(GetParam() * kSeeds / 8 + i);
    Compiler& compiler = compilers[seed % compilers.size()];
    RandomProgramOptions options;
    options.gradients = seed % 4 == 0;
    const Program program = random_program(seed, options);
    const Arrays inputs = random_inputs(program, seed);
    RunOptions run;
    run.fuse = seed % 5 != 1;
    run.parts = seed % 3 == 0 ? 3 : 1;
    run.tolerance = 1e-4;
    const std::string text = run_and_compare(program, inputs, compiler, run);
    EXPECT_EQ(text, "") << "seed " << seed << "\n" << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, RandomPrograms, testing::Range(0, 8));

}  // namespace
}  // namespace tessera
