// `tessera bench iopddl`: what it prints, and what it says when there is no answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/run_tessera.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct IopddlFolder : TestFolder {
  std::string problem(int limit) const {
    return write("p.json", R"({"problem": {"name": "pair", "nodes": {"intervals": [[0, 2], [1, 3]],
      "costs": [[1, 5], [1, 9]], "usages": [[8, 4], [8, 4]]},
      "edges": {"nodes": [[0, 1]], "costs": [[0, 0, 0, 0]]}, "usage_limit": )" +
                               std::to_string(limit) + "}}");
  }
};

TEST(BenchIopddl, TheLastLineIsTheCheapestChoiceThatFits) {
  const IopddlFolder folder;
  const CommandResult result = run_tessera({"bench", "iopddl", folder.problem(12), "2"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith("cost 6  bound 6  gap 0.000 %  peak 12  "));
  EXPECT_THAT(result.out, HasSubstr(" s\n[1, 0]\n"));
}

TEST(BenchIopddl, JsonComesBeforeTheList) {
  const IopddlFolder folder;
  const CommandResult result = run_tessera({"bench", "iopddl", folder.problem(8), "2", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const size_t end = result.out.find('\n');
  const nlohmann::json json = nlohmann::json::parse(result.out.substr(0, end));
  EXPECT_EQ(json["name"], "pair");
  EXPECT_EQ(json["cost"], "14");
  EXPECT_EQ(json["bound"], "14");
  EXPECT_EQ(json["peak"], "8");
  EXPECT_EQ(result.out.substr(end), "\n[1, 1]\n");
}

TEST(BenchIopddl, SaysThatNothingFits) {
  const IopddlFolder folder;
  const CommandResult result = run_tessera({"bench", "iopddl", folder.problem(7), "2"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("no choice of strategies keeps to the limit"));
}

TEST(BenchIopddl, AFileThatIsNoProblemIsTheUsersError) {
  const IopddlFolder folder;
  const CommandResult result = run_tessera({"bench", "iopddl", folder.write("p.json", "[]"), "2"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("p.json: problem.nodes.costs is empty or not there"));
}

}  // namespace
}  // namespace tessera
