#include "placement/communication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/parse.h"
#include "partition/manual_plan.h"
#include "placement/plan_facts.h"
#include "tests/placement/programs.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

const char* kFit = R"(program fit
dim batch = 64, feature = 8, hidden = 32
input x[batch, feature]
param w[feature, hidden] = 0.1
h = tanh(sum[feature](x * w))
loss = sum[batch, hidden](h * h)
update w = w - 0.1 * grad(loss, w)
output loss
)";

// Facts of the plan that pins alone make.
struct Placed {
  Placed(const std::string& text, const std::string& mesh, const std::vector<Pin>& pins)
      : program(normalize(parse(text, {"fit.tess", {}}))),
        plan(manual_plan(program, parse_mesh(mesh), pins)),
        cluster(imagined_cluster(plan.mesh.ranks())),
        facts(program, plan, cluster, {}) {}

  const Communication* find(CommKind kind, const std::string& tensor) const {
    for (const Communication& each : facts.communication)
      if (each.step->kind == kind && each.step->origin == tensor) return &each;
    return nullptr;
  }

  Program program;
  Plan plan;
  Cluster cluster;
  PlanFacts facts;
};

TEST(Communication, SaysBetweenWhichLinesAndWhyOfPartialSums) {
  const Placed placed(kFit, "data=2", {{"x", "batch", "data", {}}});
  const Communication* sum = placed.find(CommKind::all_reduce, "d_w");
  ASSERT_NE(sum, nullptr);
  EXPECT_EQ(sum->from.name, "d_w");
  ASSERT_EQ(sum->to.size(), 1u);
  EXPECT_EQ(sum->to[0].name, "w_next");
  EXPECT_EQ(sum->to[0].where.file, "fit.tess");
  EXPECT_EQ(sum->to[0].where.line, 7);
  EXPECT_EQ(sum->why,
            "d_w reduces over `batch`, of which each rank has a part; w_next needs all of it, "
            "complete");
}

TEST(Communication, SaysWhyWhatIsKeptInPartsIsGathered) {
  const Placed placed(kFit, "data=2", {{"x", "batch", "data", {}}, {"w", "hidden", "data", {}}});
  const Communication* gather = placed.find(CommKind::all_gather, "w");
  ASSERT_NE(gather, nullptr);
  EXPECT_EQ(gather->from.name, "w");
  EXPECT_EQ(gather->from.where.line, 4);
  EXPECT_THAT(gather->why, HasSubstr("each rank keeps a part of `hidden`; "));
  EXPECT_THAT(gather->why, HasSubstr("all of it, as it splits `batch`"));
}

// Every collective of the timeline is there once, and each has somebody who reads what it gives.
TEST(Communication, HasBothEndsOfEveryCollective) {
  const Placed placed(kFit, "data=2,model=2",
                      {{"x", "batch", "data", {}}, {"w", "hidden", "model", {}}});
  size_t count = 0;
  for (const TimedStep& timed : placed.facts.line.steps)
    count += std::holds_alternative<CommStep>(*timed.step);
  EXPECT_EQ(placed.facts.communication.size(), count);
  EXPECT_GT(count, 0u);
  for (const Communication& each : placed.facts.communication) {
    EXPECT_FALSE(each.to.empty()) << each.step->origin;
    EXPECT_TRUE(each.from.where.known()) << each.step->origin;
  }
}

TEST(Memory, OverTheStepsReachesThePeakAndNeverFallsBelowWhatIsKept) {
  const Placed placed(kFit, "data=2", {{"x", "batch", "data", {}}});
  const MemoryUse& memory = placed.facts.memory;
  ASSERT_EQ(memory.over_steps.size(), placed.facts.local.steps.size());
  EXPECT_EQ(*std::max_element(memory.over_steps.begin(), memory.over_steps.end()), memory.peak);
  for (const int64_t held : memory.over_steps) EXPECT_GE(held, memory.kept);
}

}  // namespace
}  // namespace tessera
