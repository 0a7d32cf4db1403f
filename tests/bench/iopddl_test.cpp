// Problems of the IOPDDL contest: their files, their arithmetic, and the networks made of them.
#include "launcher/bench/iopddl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>

#include "base/error.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// The example of the contest's description, with an edge more.
constexpr const char* kSmall = R"({"problem": {
  "name": "small",
  "nodes": {"intervals": [[1, 3], [2, 5], [7, 7]],
            "costs": [[15, 55, 65], [45, 85], [1, 2]],
            "usages": [[25, 5, 5], [20, 10], [1000, 1000]]},
  "edges": {"nodes": [[0, 1], [1, 0], [2, 2]],
            "costs": [[1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 1000000000000000000], [7, 0, 0, 9]]},
  "usage_limit": 40}})";

struct Problem : TempFolder {
  std::string error(const std::string& text) const {
    const std::string file = write("p.json", text);
    return message_of<UserError>([&] { read_iopddl(file); });
  }
  // kSmall with one text in place of another.
  std::string error(const std::string& text, const std::string& by) const {
    std::string changed = kSmall;
    const size_t at = changed.find(text);
    EXPECT_NE(at, std::string::npos) << text;
    return error(changed.replace(at, text.size(), by));
  }
};

TEST(Iopddl, CostsAndPeaksAreThoseOfTheContest) {
  const Problem folder;
  const IopddlProblem problem = read_iopddl(folder.write("p.json", kSmall));
  EXPECT_EQ(problem.name, "small");
  EXPECT_EQ(problem.limit, 40);
  EXPECT_EQ(text_of(cost_of(problem, {0, 0, 0})), "69");
  EXPECT_EQ(text_of(cost_of(problem, {2, 1, 1})), "1000000000000000167");
  EXPECT_EQ(text_of(peak_of(problem, {0, 0, 0})), "45");
  EXPECT_EQ(text_of(peak_of(problem, {0, 1, 1})), "35");
  const Network network = network_of(problem);
  EXPECT_EQ(network.rows.size(), 1u);  // moment 2 holds all that others hold
  EXPECT_EQ(cost_of(network, {0, 0, 0}), 69);
  EXPECT_EQ(cost_of(network, {2, 1, 1}), kForbidden);
  EXPECT_EQ(excess_of(network, {0, 0, 0}), 5);
  EXPECT_EQ(cost_of(network_of(problem, kForbidden), {2, 1, 1}), 1e18 + 167);
}

TEST(Iopddl, SumsMayNeedMoreThan64Bits) {
  const Problem folder;
  const IopddlProblem problem =
      read_iopddl(folder.write("p.json", R"({"problem": {"nodes": {"intervals": [[0, 1], [0, 1]],
        "costs": [[9223372036854775807], [9223372036854775807]],
        "usages": [[9223372036854775807], [9223372036854775807]]},
        "edges": {"nodes": [], "costs": []}}})"));
  EXPECT_EQ(text_of(cost_of(problem, {0, 0})), "18446744073709551614");
  EXPECT_EQ(text_of(peak_of(problem, {0, 0})), "18446744073709551614");
  EXPECT_EQ(text_of(WideInteger{-120}), "-120");
  EXPECT_EQ(text_of(WideInteger{0}), "0");
  EXPECT_FALSE(problem.limit);
}

TEST(Iopddl, CompressedFilesReadTheSame) {
  const Problem folder;
  const std::string file = folder.write("p.json.gz", "");
  gzFile stream = gzopen(file.c_str(), "wb");
  gzputs(stream, kSmall);
  gzclose(stream);
  EXPECT_EQ(read_iopddl(file).tables.size(), 16u);
  std::ifstream whole(file, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(whole)), std::istreambuf_iterator<char>());
  const std::string cut = folder.write("cut.json.gz", bytes.substr(0, bytes.size() - 20));
  EXPECT_THAT(message_of<UserError>([&] { read_iopddl(cut); }), HasSubstr(cut + ": "));
}

TEST(Iopddl, ErrorsSayWhereAndWhatWasFound) {
  const Problem folder;
  EXPECT_THAT(folder.error("{]"), HasSubstr("p.json: is no JSON: found `{]` at byte 2"));
  EXPECT_THAT(folder.error("{}"), HasSubstr("problem.nodes.costs is empty or not there"));
  EXPECT_THAT(folder.error("[15, 55, 65]", "[15, 5.5, 65]"),
              HasSubstr("problem.nodes.costs[0] has 5.5 where an integer of 64 bits belongs"));
  EXPECT_THAT(folder.error("[45, 85]", "[45, \"x\"]"),
              HasSubstr("problem.nodes.costs[1] has \"x\" where an integer"));
  EXPECT_THAT(folder.error("[45, 85]", "[45, 18446744073709551615]"),
              HasSubstr("has 18446744073709551615 where an integer of 64 bits"));
  EXPECT_THAT(folder.error("[45, 85]", "45"), HasSubstr("where a list of integers belongs"));
  EXPECT_THAT(folder.error("[45, 85]", "[]"), HasSubstr("costs[1] is empty"));
  EXPECT_THAT(folder.error("[45, 85]", "[45]"),
              HasSubstr("problem.nodes.usages[1] has 2 entries, problem.nodes.costs[1] has 1"));
  EXPECT_THAT(folder.error("[2, 5]", "[2, 5, 6]"),
              HasSubstr("problem.nodes.intervals[1] has 3 entries, an interval has 2"));
  EXPECT_THAT(folder.error("[2, 2]]", "[2, 3]]"),
              HasSubstr("problem.edges.nodes[2] has node 3; there are 3 nodes"));
  EXPECT_THAT(folder.error("[7, 0, 0, 9]", "[7, 0, 0]"),
              HasSubstr("problem.edges.costs[2] has 3 entries, the table of its two nodes has 4"));
  EXPECT_THAT(folder.error("[20, 10]", "[20, -1]"), HasSubstr("usages has -1; memory is 0"));
  EXPECT_THAT(folder.error("40}", "\"40\"}"), HasSubstr("problem.usage_limit is \"40\""));
  EXPECT_THAT(message_of<UserError>([] { read_iopddl("/no/such.json"); }),
              HasSubstr("/no/such.json: "));
}

}  // namespace
}  // namespace tessera
