// The programs of bench/: as they stand, which is tiny, they compute on one rank and on two what
// the interpreter does; at the sizes of the suites they can be normalized.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "ir/stack_loops.h"
#include "launcher/bench/peers.h"
#include "partition/manual_plan.h"
#include "tests/runtime/close.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

const std::string kFolder = TESSERA_SOURCE_DIR "/bench/";

std::vector<std::string> programs() {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(kFolder))
    if (entry.path().extension() == ".tess")
      files.push_back(fs::relative(entry.path(), kFolder).string());
  std::sort(files.begin(), files.end());
  return files;
}

class BenchProgram : public ::testing::TestWithParam<std::string> {};

TEST_P(BenchProgram, AgreesWithTheInterpreterOnOneRankAndOnTwo) {
  const Program program = parse_file(kFolder + GetParam());
  EXPECT_TRUE(parse(print(program)) == program);
  const Program normal = stack_loops(normalize(program));
  const Arrays inputs = random_inputs(program, 3);
  const Arrays start = initial_state(program, 3);
  Arrays state = start;
  const Arrays wanted = interpret(program, inputs, state);
  for (const int ranks : {1, 2}) {
    const Plan plan = manual_plan(normal, Mesh{{{"data", ranks}}}, {});
    const RunRecord run = run_on_local_ranks(normal, plan, inputs, start);
    const std::string where = GetParam() + " on " + std::to_string(ranks) + " ranks, ";
    for (const auto& [name, array] : wanted)
      expect_close(run.outputs[0].at(name), array, 5e-4, where + name);
    for (const auto& [name, array] : state)
      expect_close(run.state.at(name), array, 5e-4, where + name);
  }
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name;
  for (const char c : info.param.substr(0, info.param.rfind('.')))
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Bench, BenchProgram, ::testing::ValuesIn(programs()), test_name);

class BenchSuite : public ::testing::TestWithParam<std::string> {};

TEST_P(BenchSuite, HasProgramsAtItsSizesAndEveryRowAName) {
  std::set<std::string> names;
  for (const Suite& suite : load_suites(kFolder + GetParam())) {
    EXPECT_FALSE(suite.title.empty());
    for (const SuiteRow& row : suite.rows) {
      EXPECT_TRUE(names.insert(suite.name + "/" + row.name).second) << row.name;
      const Program program = program_of(row);
      for (const auto& [name, extent] : row.dims) {
        bool known = fs::path(row.file).extension() == ".yaml";
        for (const Dim& dim : program.dims()) known = known || dim.name() == name;
        EXPECT_TRUE(known) << row.file << " has no dim " << name;
      }
      EXPECT_FALSE(nests_of(normalize(program)).empty()) << row.name;
      for (const std::string& peer : row.peers)
        if (peer == "jax" || peer == "torch") {
          EXPECT_TRUE(fs::exists(formulation_of(row, peer))) << formulation_of(row, peer);
        }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Bench, BenchSuite, ::testing::Values("kernels", "made_up", "train"),
                         test_name);

}  // namespace
}  // namespace tessera
