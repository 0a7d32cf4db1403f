// `tessera eval` on 1 to 5 ranks against `tessera eval --interpret`: programs, arrays and results
// pass through files, as they do for a user.
#include <gtest/gtest.h>

#include "ir/print.h"
#include "storage/npy.h"
#include "tests/cli/run_tessera.h"
#include "tests/ir/random_program.h"
#include "tests/runtime/close.h"

namespace tessera {
namespace {

constexpr uint64_t kProgramsPerRanks = 40;

class RandomEval : public ::testing::TestWithParam<int> {};

// Runs `eval` with all outputs written to files called after them and `label`.
Arrays eval(const TestFolder& folder, const Program& program, std::vector<std::string> words,
            const std::string& label) {
  for (const Output& output : program.outputs()) {
    words.push_back("--out");
    words.push_back(output.name + "=" + folder.file(label + output.name + ".npy"));
  }
  const CommandResult result = run_tessera(words);
  EXPECT_EQ(result.code, 0) << result.err << print(program);
  Arrays outputs;
  for (const Output& output : program.outputs())
    if (result.code == 0)
      outputs[output.name] = read_npy(folder.file(label + output.name + ".npy"));
  return outputs;
}

TEST_P(RandomEval, AgreesWithTheInterpreter) {
  const int ranks = GetParam();
  for (uint64_t i = 0; i < kProgramsPerRanks && !HasFailure(); ++i) {
    const uint64_t seed = 50000 + kProgramsPerRanks * static_cast<uint64_t>(ranks) + i;
    RandomProgramOptions options;
    options.discontinuous = false;
    options.gradients = i % 4 == 0;
    options.loops = i % 5 == 0;
    options.definitions = 3;
    const Program program = random_program(seed, options);
    const TestFolder folder;
    std::vector<std::string> words = {"eval", folder.write("p.tess", print(program))};
    for (const auto& [name, array] : random_inputs(program, seed)) {
      write_npy(folder.file(name + ".npy"), array);
      words.push_back("--in");
      words.push_back(name + "=" + folder.file(name + ".npy"));
    }
    std::vector<std::string> interpreted = words;
    interpreted.push_back("--interpret");
    words.push_back("--ranks");
    words.push_back(std::to_string(ranks));
    words.push_back("--mesh");
    words.push_back("data=" + std::to_string(ranks));
    const Arrays wanted = eval(folder, program, interpreted, "wanted_");
    const Arrays found = eval(folder, program, words, "found_");
    for (const auto& [name, array] : wanted)
      if (found.count(name) != 0)
        expect_close(found.at(name), array, 1e-3,
                     "seed " + std::to_string(seed) + " " + name + "\n" + print(program));
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, RandomEval, ::testing::Values(1, 2, 3, 4, 5));

}  // namespace
}  // namespace tessera
