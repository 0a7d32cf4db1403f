#include "placement/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "partition/lower.h"
#include "placement/optimize.h"
#include "tests/placement/programs.h"

namespace tessera {
namespace {

using namespace testing_programs;  // NOLINT: of the tests only
using ::testing::HasSubstr;

TEST(Alternatives, AreOtherMeshesAndTemplatesWithTheirPartsAndWhyNot) {
  const Program program = mlp_step();
  const Planned planned = optimize_beside(program, imagined_cluster(8), {}, 2);
  EXPECT_EQ(plan_hash(planned.plan), plan_hash(optimize(program, imagined_cluster(8))));
  int meshes = 0, templates = 0;
  double last = 0;
  for (const Alternative& each : planned.alternatives) {
    (each.name == "best found" ? meshes : templates) += 1;
    if (each.name == "best found") {
      EXPECT_NE(print(each.mesh), print(planned.plan.mesh));
    }
    EXPECT_GE(each.predicted.seconds, last);
    last = each.predicted.seconds;
    EXPECT_GE(each.predicted.seconds, planned.plan.predicted.seconds * (1 - 1e-9));
    EXPECT_LE(each.predicted.lower_bound_seconds, each.predicted.seconds);
    EXPECT_GT(each.predicted.peak_bytes, 0);
    EXPECT_NE(each.why, "");
    double parts = 0;
    for (const auto& [kind, seconds] : seconds_by_kind(each.predicted)) parts += seconds;
    EXPECT_LE(parts, each.predicted.seconds * (1 + 1e-9));
  }
  EXPECT_EQ(meshes, 2);
  EXPECT_EQ(templates, 4);
  EXPECT_THAT(print(planned.alternatives, planned.plan.predicted), HasSubstr("data parallel"));
}

TEST(Alternatives, ThatNeedTooMuchMemorySaySo) {
  Prediction taken, other;
  taken.seconds = 2;
  other.seconds = 1;
  other.peak_bytes = int64_t{3} << 30;
  EXPECT_EQ(why_not(taken, other, 0, 2.0 * (1 << 30)), "needs 3.00 GiB of 2.00 GiB");
  other = taken;
  other.seconds = 3;
  other.compute_seconds = 0.25;
  other.collectives = {{"all-reduce", "data", "w", 8, 0.75}};
  EXPECT_EQ(why_not(taken, other, 2.5, 1e18),
            "all-reduce takes 750 ms more, computing 250 ms, and no plan on this mesh takes less "
            "than 2.50 s");
}

// Changing one decision of plan a to that of b costs what the plan so changed is priced at.
TEST(Differences, ArePricedOneByOne) {
  const Program program = mlp_step({64, 100, 10, {50}});
  const Mesh mesh = parse_mesh("data=4");
  const Cluster cluster = imagined_cluster(4);
  const KernelSeconds seconds = slow_kernels(1e9);
  const ClusterCommCost comm(cluster);
  PlanRequest request;
  request.mesh = mesh;
  request.kernel_seconds = seconds;
  const Plan a = optimize(program, cluster, request);
  request.pins = {{"w1", "pixel", "data", {}}};
  const Plan b = optimize(program, cluster, request);
  ASSERT_NE(plan_hash(a), plan_hash(b));
  const ProgramRules rules(program);
  KernelTimes times(seconds);
  Distances distances(mesh, comm);
  const Prices prices{cluster, seconds, comm, times, distances};
  const std::vector<PlanDifference> found = differences(rules, a, b, prices);
  ASSERT_FALSE(found.empty());
  bool kept = false;
  for (const PlanDifference& each : found) {
    EXPECT_NE(each.a, each.b) << each.what;
    if (each.what != "w1 is kept") continue;
    kept = true;
    EXPECT_EQ(each.b, "[pixel: data, hidden1]");
    Plan mixed = a;
    for (StorageDecision& stored : mixed.stored)
      if (stored.tensor == "w1") stored = b.storage("w1");
    ASSERT_TRUE(each.seconds.has_value());
    EXPECT_NEAR(
        *each.seconds,
        objective_of(rules, mixed, prices).seconds() - objective_of(rules, a, prices).seconds(),
        1e-12);
  }
  EXPECT_TRUE(kept);
  EXPECT_TRUE(differences(rules, a, a, prices).empty());
}

}  // namespace
}  // namespace tessera
