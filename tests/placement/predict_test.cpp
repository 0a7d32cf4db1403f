#include "placement/predict.h"

#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/stack_loops.h"
#include "partition/lower.h"
#include "partition/manual_plan.h"
#include "partition/random_plan.h"
#include "placement/timeline.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

// Lowering writes offsets out, which are some more operations, and copies what a loop carries or an
// update takes unchanged.
constexpr double kOffsets = 1.01;

// What the objective promises of a plan: what runs takes no longer.
void expect_no_surprise(const Program& normal, const Plan& plan, const Cluster& cluster) {
  const KernelSeconds kernels = roofline(cluster.device);
  const ClusterCommCost comm(cluster);
  const Prediction predicted = predict(normal, plan, cluster, kernels);
  const double copies = cluster.device.launch *
                        static_cast<double>(normal.updates().size() + normal.carries().size());
  const Timeline line = timeline_of(lower(normal, plan, 0, {&comm}), kernels, comm);
  EXPECT_LE(line.compute, predicted.compute_seconds * kOffsets + copies)
      << print(plan) << print(normal);
  EXPECT_LE(line.communicate, (predicted.seconds - predicted.compute_seconds) * kOffsets + 1e-15)
      << print(plan) << print(normal);
  EXPECT_LE(line.end, predicted.seconds * kOffsets + copies);
}

TEST(Predict, WhatRunsTakesNoLongerThanTheObjective) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    RandomProgramOptions options;
    options.gradients = seed % 3 == 0;
    options.loops = seed % 2 == 0;
    const Program normal = stack_loops(normalize(random_program(seed, options)));
    for (const char* text : {"data=2", "data=2,model=3"}) {
      const Mesh mesh = parse_mesh(text);
      expect_no_surprise(normal, random_plan(normal, mesh, seed), imagined_cluster(mesh.ranks()));
    }
  }
}

// A condition is agreed on after every iteration, which splitting what it depends on pays for.
TEST(Predict, CountsWhatTheConditionOfALoopCosts) {
  const Program normal = stack_loops(normalize(parse(R"(program orbit
dim i = 12
loop step = 50 while a * a <= 4 carry a = 0.1 * f32(i) { a = a * a + 0.3 }
output a
)")));
  const Mesh mesh = parse_mesh("data=4");
  const Cluster cluster = imagined_cluster(4);
  const Plan plan = manual_plan(normal, mesh, {{"a_so_far", "i", "data", {}}});
  const Prediction predicted = predict(normal, plan, cluster);
  const double one = ClusterCommCost(cluster).seconds(CommKind::all_reduce, mesh, {0}, 2);
  EXPECT_GE(predicted.seconds - predicted.compute_seconds, 50 * one);
  expect_no_surprise(normal, plan, cluster);
}

}  // namespace
}  // namespace tessera
