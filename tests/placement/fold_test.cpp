#include <gtest/gtest.h>

#include "ir/functions.h"
#include "placement/likeness.h"
#include "placement/optimize.h"
#include "tests/placement/programs.h"

namespace tessera {
namespace {

using namespace testing_programs;  // NOLINT: of the tests only

// x, tanh(sum(x * w)), …: `layers` equal layers.
Program deep(int layers) {
  Program p("deep");
  const Dim b("b", 64), i("i", 32), j("j", 32);
  Expr x = p.input("x", {b, i});
  for (int l = 0; l < layers; ++l) {
    const Tensor w = p.parameter("w" + std::to_string(l), {i, j});
    const Tensor h = p.define("h" + std::to_string(l), tanh(sum(i, x * w)));
    x = Expr(h).at(j, index(i));
  }
  p.output("y", x);
  return normalize(p);
}

TEST(Likeness, TellsApartWhatIsNearTheEnds) {
  const Program program = deep(100);
  const ProgramRules rules(program);
  const Likeness all = likeness_of(rules, 1000);
  EXPECT_EQ(*std::max_element(all.nests.begin(), all.nests.end()) + 1,
            static_cast<int32_t>(rules.nests.size()));
  const Likeness few = likeness_of(rules, 60);
  const Skeleton skeleton = skeleton_of(rules, few);
  int64_t copies = 0, most = 0;
  for (const Skeleton::Variable& variable : skeleton.variables)
    if (variable.kind == Skeleton::Kind::nest) {
      copies += variable.copies;
      most = std::max(most, variable.copies);
    }
  EXPECT_EQ(copies, static_cast<int64_t>(rules.nests.size()));
  EXPECT_GT(most, 70);
  EXPECT_LT(most, 100);
  int64_t of_types = 0, of_edges = 0, ends = 0;
  for (const Skeleton::Type& type : skeleton.types) {
    of_types += type.copies;
    for (const auto& [edge, times] : type.edges) ends += times * type.copies;
  }
  for (const Skeleton::Edge& edge : skeleton.edges) of_edges += edge.copies;
  int64_t of_variables = 0;
  for (const Skeleton::Variable& variable : skeleton.variables) of_variables += variable.copies;
  EXPECT_EQ(of_types, of_variables);
  EXPECT_EQ(ends, 2 * of_edges);
}

TEST(Fold, GivesAPlanOfAllLayersNearTheBound) {
  const Program program = mlp_step({64, 64, 10, std::vector<int64_t>(12, 64)}, two_moments(0.01));
  PlanRequest request;
  request.kernel_seconds = slow_kernels(1e9);
  request.mesh = parse_mesh("data=4,model=2");
  const Plan free = optimize(program, imagined_cluster(8), request);
  request.decisions = 150;
  const Plan folded = optimize(program, imagined_cluster(8), request);
  verify(folded, program);
  EXPECT_GE(folded.predicted.seconds, free.predicted.lower_bound_seconds * (1 - 1e-9));
  EXPECT_LE(folded.predicted.lower_bound_seconds, free.predicted.seconds * (1 + 1e-9));
  EXPECT_LT(folded.predicted.gap, 0.05);
  EXPECT_LT(free.predicted.gap, 0.02);
  Plan again = optimize(program, imagined_cluster(8), request);
  again.predicted.search_seconds = folded.predicted.search_seconds;
  EXPECT_EQ(to_text(again), to_text(folded));
  EXPECT_EQ(plan_from_text(to_text(folded)), folded);
}

TEST(Templates, AreNeverFasterThanThePlan) {
  for (const Program& program : {mlp_step(), mlp_step({}, two_moments(0.01)), deep(5)}) {
    const Plan plan = optimize(program, imagined_cluster(8));
    ASSERT_EQ(plan.predicted.templates.size(), 4u);
    EXPECT_EQ(plan.predicted.templates[0].name, "data parallel");
    for (const Prediction::Strategy& each : plan.predicted.templates)
      EXPECT_GE(each.seconds, plan.predicted.seconds * (1 - 1e-9)) << each.name;
  }
}

TEST(Search, IsBoundedByWork) {
  EXPECT_EQ(operations_in(2), 2 * operations_in(1));
  EXPECT_GT(operations_in(1), 1'000'000);
}

}  // namespace
}  // namespace tessera
