#include "partition/halo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "partition/manual_plan.h"
#include "tests/partition/cases.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

const char kConv[] = R"(program conv
dim y = 17, oy = 8, ky = 3, c = 5
input image[y, c]
input w[ky, c]
out = sum[ky](image[y: 2*oy + ky] * w)
output out[oy, c]
)";

// Windows for nothing, everything else as by bytes: they are taken wherever they can be.
class FreeHalo : public CommCost {
 public:
  double seconds(CommKind kind, const Mesh&, const Axes&, int64_t bytes) const override {
    return kind == CommKind::halo ? 0 : 1 + static_cast<double>(bytes);
  }
};

Assignment assign(const std::vector<std::string>& choices) {
  Assignment assignment;
  for (const std::string& text : choices) assignment.axes.push_back(parse_choice(text));
  return assignment;
}

TEST(Halo, WindowsFollowFromTheIndex) {
  const Program program = normalize(parse(kConv));
  const NestRules rules(nest_of(program.get("out")));
  const Mesh mesh = parse_mesh("a=2,b=3");
  const auto demand = halo_demand(rules, 0, assign({"oy", "-"}), mesh);
  ASSERT_TRUE(demand);
  EXPECT_EQ(describe(demand->base, rules.operand_tensor(0), mesh), "[y: a, c]");
  ASSERT_EQ(demand->windows.size(), 1U);
  EXPECT_THAT(demand->windows[0].members, ElementsAre(Interval{0, 9}, Interval{8, 17}));
  // Rank 0 owns 0 … 8 and sends row 8 to rank 1.
  EXPECT_EQ(halo_bytes({{17, 5}, DType::f32}, demand->base, demand->windows[0], mesh), 20);
  const auto shifted = halo_demand(rules, 0, assign({"-", "ky"}), mesh);
  ASSERT_TRUE(shifted);
  EXPECT_THAT(shifted->windows[0].members,
              ElementsAre(Interval{0, 15}, Interval{1, 16}, Interval{2, 17}));
  EXPECT_FALSE(halo_demand(rules, 0, assign({"c", "-"}), mesh));
  EXPECT_FALSE(halo_demand(rules, 1, assign({"oy", "c"}), mesh));
}

TEST(Halo, CountsBytesAsPairsOfRanksDo) {
  std::mt19937 random(7);
  const Mesh mesh = parse_mesh("a=3,b=4");
  const auto between = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<unsigned>(high - low + 1));
  };
  for (int round = 0; round < 200; ++round) {
    const int64_t extent = between(0, 30);
    HaloWindow window{0, {0, 1}, {}};
    for (int member = 0; member < 12; ++member) {
      const int64_t begin = between(0, extent);
      window.members.push_back({begin, between(begin, extent)});
    }
    int64_t most = 0;
    for (int me = 0; me < 12; ++me) {
      int64_t received = 0;
      int64_t sent = 0;
      for (int other = 0; other < 12; ++other) {
        if (other == me) continue;
        received += intersect(window.members[me], block(extent, {0, 1}, mesh, other)).size();
        sent += intersect(window.members[other], block(extent, {0, 1}, mesh, me)).size();
      }
      most = std::max({most, received, sent});
    }
    EXPECT_EQ(halo_bytes({{extent}, DType::f32}, {{{0, 1}}, {}, ReduceOp::sum}, window, mesh),
              4 * most);
  }
}

TEST(Halo, OnlyBordersMove) {
  const Case one = case_of(kConv);
  Plan plan = manual_plan(one.program, parse_mesh("a=2"), {{"image", "y", "a", {}}});
  plan.nests[0].assignment = assign({"oy"});
  plan.outputs[0].stored.split = {{0}, {}};
  one.check(plan);
  EXPECT_THAT(bytes_by_collective(lower(one.program, plan, 0)),
              ElementsAre(Pair("halo", (Traffic{1, 20}))));
}

TEST(Halo, ATensorThatIsWholeIsReadWithoutExchange) {
  const Case one = case_of(kConv);
  Plan plan = default_plan(one.program, parse_mesh("a=2"));
  plan.nests[0].assignment = assign({"oy"});
  plan.outputs[0].stored.split = {{0}, {}};
  one.check(plan);
  EXPECT_TRUE(bytes_by_collective(lower(one.program, plan, 0)).empty());
}

TEST(Halo, EveryWindowAgreesWithTheInterpreter) {
  const FreeHalo cost;
  LowerOptions options;
  options.cost = &cost;
  RandomSource random(9);
  int64_t exchanges = 0;
  for (const char* text : {kConv, R"(program shifts
dim y = 11, x = 7, k = 3, j = 3
input image[y, x]
param bias[y] = normal(0, 1)
blur = sum[k, j](image[y: y + k - 1 pad 0, x: x + j - 1 pad 0])
back = image[y: 10 - y, x: 6 - x] + bias
step = image[y: y - 1 pad 2] - image + bias[y: y + 4 pad 1]
twice = sum[k](blur[y: 3*k + 2])
late = image[y: y - 20 pad 0]
update bias = bias + bias[y: 10 - y]
output back[y, x]
output step[y, x]
output twice[x]
output late[y, x]
output blur[x, y]
)"}) {
    const Case one = case_of(text);
    for (const char* mesh : {"a=2", "a=3", "a=5", "a=13", "a=2,b=2", "a=2,b=3"})
      for (int trial = 0; trial < 12; ++trial) {
        const Plan plan = random_plan(one.program, parse_mesh(mesh), random);
        one.check(plan, 1e-4, options);
        one.check(plan);
        if (HasFatalFailure()) return;
        exchanges += bytes_by_collective(lower(one.program, plan, 0, options))["halo"].count;
      }
  }
  EXPECT_GT(exchanges, 100);
}

TEST(Halo, AWindowIsExchangedOnceForANest) {
  const Case one = case_of(R"(program p
dim y = 12
input x[y]
a = x[y: y - 1 pad 0] + 2 * x[y: y - 1 pad 1]
output a[y]
)");
  const FreeHalo cost;
  LowerOptions options;
  options.cost = &cost;
  Plan plan = manual_plan(one.program, parse_mesh("a=3"), {{"x", "y", "a", {}}});
  for (NestDecision& nest : plan.nests) nest.assignment = assign({"y"});
  for (StorageDecision& output : plan.outputs) output.stored.split = {{0}};
  one.check(plan, 1e-4, options);
  EXPECT_THAT(bytes_by_collective(lower(one.program, plan, 1, options)),
              ElementsAre(Pair("halo", (Traffic{1, 4}))));
}

}  // namespace
}  // namespace tessera
