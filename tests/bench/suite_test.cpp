// Reading suites, racing, scoring, peers.
#include "launcher/bench/suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "base/error.h"
#include "launcher/bench/suite_report.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kProduct = R"(program product
dim i = 3, j = 4
input a[i, j]
input b[j]
c = sum[j](a * b)
d = sum[i](a)
output c
output d
)";

struct SuiteFolder : TempFolder {
  SuiteFolder() { write("product.tess", kProduct); }
  std::string suite(const std::string& text) const { return write("small.yaml", text); }
};

std::string error_of(const std::function<void()>& work) {
  return message_of<UserError>(work);
}

TEST(Suite, EachRowIsRepeatedForEachPart) {
  const SuiteFolder folder;
  const Suite suite = load_suite(folder.suite(R"(title: products
measure: bandwidth
peers: [jax]
tolerance: 0.5
parts: {one: [c], other: [d]}
work: [c]
rows:
- {name: big, program: product.tess, dims: {i: 8}}
- {program: product.tess, peers: [openblas, onednn]}
)"));
  EXPECT_EQ(suite.name, "small");
  EXPECT_EQ(suite.measure, Measure::bandwidth);
  EXPECT_EQ(suite.tolerance, 0.5);
  ASSERT_EQ(suite.rows.size(), 4u);
  EXPECT_EQ(suite.rows[1].name, "big other");
  EXPECT_THAT(suite.rows[1].outputs, ElementsAre("d"));
  EXPECT_THAT(suite.rows[0].peers, ElementsAre("jax"));
  EXPECT_EQ(suite.rows[2].name, "product one");
  EXPECT_THAT(suite.rows[2].peers, ElementsAre("openblas", "onednn"));
  const Program program = program_of(suite.rows[1]);
  ASSERT_EQ(program.outputs().size(), 1u);
  EXPECT_EQ(program.outputs()[0].name, "d");
  EXPECT_EQ(program.get("a").dims()[0].extent(), 8);
  EXPECT_EQ(work_of(suite.rows[1]).outputs()[0].name, "c");
}

TEST(Suite, MistakesPointIntoTheFile) {
  const SuiteFolder folder;
  const auto load = [&](const std::string& text) {
    return error_of([&] { load_suite(folder.suite(text)); });
  };
  EXPECT_THAT(load("title: a\nrows: [{program: produkt.tess}]\n"),
              AllOf(HasSubstr("small.yaml:2:"), HasSubstr("is not there")));
  EXPECT_THAT(load("title: a\npeers: [mkl]\nrows: []\n"), HasSubstr("openblas, onednn"));
  EXPECT_THAT(load("title: a\nrow: []\n"), HasSubstr("`row`"));
  const Suite suite =
      load_suite(folder.suite("title: a\nrows: [{program: product.tess, outputs: [e]}]\n"));
  EXPECT_THAT(error_of([&] { program_of(suite.rows[0]); }),
              AllOf(HasSubstr("asks for the output `e`"), HasSubstr("which has c, d")));
  EXPECT_THAT(error_of([&] { filtered({suite}, "nothing"); }), HasSubstr("suites are small"));
  EXPECT_THAT(error_of([&] { load_suites(folder / "none"); }), HasSubstr("there are no suites in"));
}

Contender fixed(const std::string& name, double seconds) {
  return {.name = name,
          .version = name + " 1.0",
          .problem = {},
          .difference = {},
          .time = [seconds](double) {
            return std::vector<double>{seconds, seconds};
          }};
}

RowResult raced(const std::string& name, std::vector<Contender> contenders) {
  RowResult row;
  row.row.name = name;
  row.contenders = std::move(contenders);
  race(row.contenders, 10);
  return row;
}

TEST(Race, ScoresBesideTheFastestOther) {
  SuiteResult result;
  result.suite.name = "small";
  result.suite.title = "products";
  const Contender missing{.name = "slow", .version = {}, .problem = "get it", .difference = {}};
  result.rows.push_back(
      raced("fast", {fixed("tessera", 1e-3), fixed("slow", 8e-3), fixed("quick", 4e-3)}));
  result.rows.push_back(raced("late", {fixed("tessera", 1e-3), missing, fixed("quick", 1e-3)}));
  result.rows.push_back(raced("alone", {fixed("tessera", 1e-3), missing}));
  EXPECT_EQ(result.rows[0].ours().seconds.size(), 10u);
  EXPECT_DOUBLE_EQ(*score_of(result.rows[0]), 4);
  EXPECT_FALSE(score_of(result.rows[2]));
  const SuiteScore score = score_of(result);
  EXPECT_EQ(score.rows, 2);
  EXPECT_DOUBLE_EQ(score.mean, 2);
  EXPECT_DOUBLE_EQ(score.worst, 1);
  EXPECT_EQ(score.worst_row, "late");
  EXPECT_THAT(text_of(result),
              AllOf(HasSubstr("small: products"), HasSubstr("4.00 ms"),
                    HasSubstr("geometric mean 2.00 of 2 rows, worst 1.00 (late)")));
  EXPECT_EQ(problems_text({result}),
            "peers: quick 1.0; slow 1.0; tessera 1.0\nwithout slow: get it\n");
  EXPECT_FALSE(any_failed({result}));
  const nlohmann::json json = json_of(result);
  EXPECT_EQ(json["rows"].size(), 3u);
  EXPECT_EQ(json["worst_row"], "late");
  EXPECT_EQ(json["rows"][1]["contenders"][1]["problem"], "get it");
}

TEST(Peers, DifferencesAreRelativeToTheLargest) {
  Array a = make_array(DType::f32, {2}), b = a;
  b.set(0, 4);
  a.set(0, 4.5);
  EXPECT_DOUBLE_EQ(difference_of(a, b), 0.125);
  a.set(1, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isinf(difference_of(a, b)));
  b.set(1, std::numeric_limits<double>::infinity());
  EXPECT_DOUBLE_EQ(difference_of(a, b), 0.125);
  EXPECT_TRUE(std::isinf(difference_of(a, make_array(DType::f32, {3}))));
}

TEST(Peers, AProcessThatEndsOrTalksNonsenseIsReportedWithItsLastWords) {
  const TempFolder folder;
  const nlohmann::json request = {{"do", "time"}};
  PeerProcess echo({"cat"}, folder / "log");
  EXPECT_EQ(echo.ask(request, 10)["do"], "time");
  PeerProcess dying({"sh", "-c", "read line; echo so long >&2"}, folder / "log2");
  EXPECT_THAT(error_of([&] { dying.ask(request, 10); }),
              AllOf(HasSubstr("ended before it answered"), HasSubstr("so long")));
  PeerProcess odd({"sh", "-c", "read line; echo hello"}, folder / "log3");
  EXPECT_THAT(error_of([&] { odd.ask(request, 10); }), HasSubstr("`hello`"));
  PeerProcess late({"sh", "-c", "exec sleep 20"}, folder / "log4");
  EXPECT_THAT(error_of([&] { late.ask(request, 0.2); }), HasSubstr("did not answer within"));
  EXPECT_THAT(error_of([&] { PeerProcess({"/no/such/peer"}, folder / "log5"); }),
              HasSubstr("cannot start /no/such/peer"));
}

}  // namespace
}  // namespace tessera
