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
    return has_pieces(kind) ? 0 : 1 + static_cast<double>(bytes);
  }
};

int64_t exchanges_of(const ShardedProgram& program) {
  auto moved = bytes_by_collective(program);
  return moved["halo"].count + moved["window"].count;
}

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
        exchanges += exchanges_of(lower(one.program, plan, 0, options));
      }
  }
  EXPECT_GT(exchanges, 100);
}

// A window in `y` and its gradients by input and by filter.
std::string gradients_of(const std::string& window, int y, int oy, int ky) {
  return "program g\ndim y = " + std::to_string(y) + ", oy = " + std::to_string(oy) +
         ", ky = " + std::to_string(ky) + R"(, c = 2, f = 3
param x[y, c] = normal(0, 1)
param w[ky, c, f] = normal(0, 1)
h = sum[ky, c](x[y: )" +
         window + R"(] * w)
loss = sum[oy, f](h * h * h)
update x = x - 0.1 * grad(loss, x)
update w = w - 0.1 * grad(loss, w)
output loss
)";
}

const std::vector<std::string>& window_gradients() {
  static const std::vector<std::string> all = {
      gradients_of("oy + ky - 1 pad 0", 12, 12, 3),
      gradients_of("oy + ky", 13, 11, 3),
      gradients_of("2*oy + ky - 1 pad 0", 12, 6, 3),
      gradients_of("2*oy + ky", 13, 6, 2),
      gradients_of("3*oy + ky", 12, 4, 2),
      gradients_of("oy + 2*ky - 2 pad 0", 11, 11, 3),
      gradients_of("2*oy + 3*ky - 3 pad 0", 13, 7, 3),
      gradients_of("2*oy + 4*ky - 3 pad 0", 13, 7, 3),
      gradients_of("11 - oy - ky", 12, 10, 3),
      gradients_of("oy // 2", 6, 12, 3),
      gradients_of("(oy + ky) // 3 pad 0", 5, 11, 4),
      gradients_of("(2*oy + ky) % 12", 12, 9, 3),
      gradients_of("(oy + ky - 1) % 12", 12, 12, 3),
      gradients_of("(oy + ky + 20) % 11", 11, 10, 3),
      gradients_of("(5 - oy - ky) % 12", 12, 12, 3),
  };
  return all;
}

TEST(Halo, GradientsOfWindowsAgreeWithTheInterpreter) {
  const FreeHalo cost;
  LowerOptions options;
  options.cost = &cost;
  RandomSource random(10);
  int64_t exchanges = 0;
  for (const std::string& text : window_gradients()) {
    SCOPED_TRACE(text);
    const Case one = case_of(text);
    for (const char* mesh : {"a=2", "a=3", "a=7", "a=2,b=2"})
      for (int trial = 0; trial < 8; ++trial) {
        const Plan plan = random_plan(one.program, parse_mesh(mesh), random);
        one.check(plan, 1e-4, options);
        one.check(plan);
        if (HasFatalFailure()) return;
        exchanges += exchanges_of(lower(one.program, plan, 0, options));
      }
  }
  EXPECT_GT(exchanges, 200);
}

// Every nest that has a loop along the dim splits it; so the whole step is a spatial partition.
Plan spatial_plan(const Program& program, const Mesh& mesh, const std::vector<std::string>& loops) {
  Plan plan = default_plan(program, mesh);
  for (NestDecision& nest : plan.nests)
    for (const Dim& loop : nest_of(program.get(nest.nest)).loops()) {
      const bool split = std::find(loops.begin(), loops.end(), loop.name()) != loops.end();
      if (split) nest.assignment.axes[0] = parse_choice(loop.name());
      if (split) break;
    }
  for (StorageDecision& stored : plan.stored)
    for (size_t d = 0; d < stored.dims.size(); ++d)
      if (stored.dims[d] == "y") stored.stored.split[d] = {0};
  return plan;
}

// Forward, h needs of x what a window reaches beyond its block, and so does the gradient by the
// filter; d_x needs as much of d_h.
TEST(Halo, SpatialStepsMoveBordersOnly) {
  struct Step {
    std::string window;
    int oy, ky;
    Traffic halo;  // of the rank in the middle of three
  };
  // y = 24 in blocks of 8, x two channels and h three, 4 bytes each.
  for (const Step& step : {
           // A row from each side.
           Step{"oy + ky - 1 pad 0", 24, 3, {3, 2 * 2 * 8 + 2 * 12}},
           // x: 8 … 16, so row 16; d_h: y 8 … 15 from oy 3 … 7, so row 3.
           Step{"2*oy + ky", 11, 3, {3, 2 * 1 * 8 + 1 * 12}},
           // Nothing overlaps.
           Step{"2*oy + ky", 12, 2, {0, 0}},
           // Two rows from each side.
           Step{"oy + 2*ky - 2 pad 0", 24, 3, {3, 2 * 4 * 8 + 4 * 12}},
       }) {
    SCOPED_TRACE(step.window);
    const Case one = case_of(gradients_of(step.window, 24, step.oy, step.ky));
    const Mesh mesh = parse_mesh("a=3");
    Plan plan = spatial_plan(one.program, mesh, {"y", "oy", "y_unit"});
    one.check(plan);
    auto moved = bytes_by_collective(lower(one.program, plan, 1));
    EXPECT_EQ(moved["halo"], step.halo);
    EXPECT_EQ(moved["all-gather"], Traffic{}) << print(lower(one.program, plan, 1));
    EXPECT_EQ(moved["all-to-all"], Traffic{});
  }
}

// A torus, and shifts of whole blocks. Every rank sends what the next or the one before lacks; the
// first follows the last.
TEST(Halo, GoesAroundARing) {
  const Case one = case_of(R"(program ring
dim x = 24, dx = 3
input u[x]
around = sum[dx](u[x: (x + dx - 1) % 24])
shift = u[x: (x + 12) % 24]
back = u[x: 23 - x]
output around[x]
output shift[x]
output back[x]
)");
  for (const int ranks : {2, 3, 4, 6}) {
    SCOPED_TRACE(ranks);
    Plan plan =
        manual_plan(one.program, parse_mesh("a=" + std::to_string(ranks)), {{"u", "x", "a", {}}});
    plan.held.clear();
    for (NestDecision& nest : plan.nests) nest.assignment = assign({"x"});
    for (StorageDecision& output : plan.outputs) output.stored.split = {{0}};
    const FreeHalo cost;
    LowerOptions options;
    options.cost = &cost;
    one.check(plan, 1e-4, options);
    std::map<std::string, Traffic> wanted;
    wanted["halo"] = {1, 2 * 4};  // a number from each side
    // A half turn moves whole blocks: with two ranks to the other one, which is beside.
    const Traffic block{1, 24 / ranks * 4};
    for (const char* kind : {ranks == 2 ? "halo" : "window", ranks <= 4 ? "halo" : "window"}) {
      wanted[kind].count += block.count;
      wanted[kind].bytes += block.bytes;
    }
    if (ranks == 3) {  // half of a block from each side; a block to the last and from there
      wanted["halo"] = {3, 2 * 4 + 2 * 32};
      wanted.erase("window");
    }
    for (int rank = 0; rank < ranks; rank += ranks - 1)
      EXPECT_EQ(bytes_by_collective(lower(one.program, plan, rank, options)), wanted)
          << print(lower(one.program, plan, rank, options));
  }
}

TEST(Halo, AlignedBlocksMoveNothing) {
  const Case one = case_of(R"(program p
dim y = 24, u = 12, q = 4, r = 6
input x[u]
input z[q, r]
fine = x[u: y // 2]
rows = z[q: y // 6, r: y % 6]
flat = fine[y: q * 6 + r]
output fine[y]
output rows[y]
output flat[q, r]
)");
  const FreeHalo cost;
  LowerOptions options;
  options.cost = &cost;
  Plan plan =
      manual_plan(one.program, parse_mesh("a=2"), {{"x", "u", "a", {}}, {"z", "q", "a", {}}});
  for (NestDecision& nest : plan.nests) nest.assignment = assign({nest.nest == "flat" ? "q" : "y"});
  for (StorageDecision& output : plan.outputs) output.stored.split[0] = {0};
  one.check(plan, 1e-4, options);
  EXPECT_TRUE(bytes_by_collective(lower(one.program, plan, 0, options)).empty());
  one.check(plan);
  EXPECT_TRUE(bytes_by_collective(lower(one.program, plan, 0)).empty());
}

// What rank 1 of 3 moves for `formula` over y, of an x that is split alike; the values are checked.
std::map<std::string, Traffic> moved_for(const std::string& formula) {
  const Case one = case_of("program p\ndim y = 12\ninput x[y]\na = " + formula + "\noutput a[y]\n");
  const FreeHalo cost;
  LowerOptions options;
  options.cost = &cost;
  Plan plan = manual_plan(one.program, parse_mesh("a=3"), {{"x", "y", "a", {}}});
  for (NestDecision& nest : plan.nests) nest.assignment = assign({"y"});
  for (StorageDecision& output : plan.outputs) output.stored.split = {{0}};
  one.check(plan, 1e-4, options);
  return bytes_by_collective(lower(one.program, plan, 1, options));
}

TEST(Halo, AWindowIsExchangedOnceForANest) {
  EXPECT_THAT(moved_for("x[y: y - 1 pad 0] + 2 * x[y: y - 1 pad 1]"),
              ElementsAre(Pair("halo", (Traffic{1, 4}))));
}

// What a stencil reads before and after a point comes in one exchange, of a tensor that has both.
TEST(Halo, WindowsThatOverlapAreExchangedAsOne) {
  EXPECT_THAT(moved_for("x[y: y - 1 pad 0] + x + x[y: y + 1 pad 0]"),
              ElementsAre(Pair("halo", (Traffic{1, 8}))));
}

}  // namespace
}  // namespace tessera
