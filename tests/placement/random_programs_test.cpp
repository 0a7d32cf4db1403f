#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "ir/normalize.h"
#include "ir/print.h"
#include "ir/stack_loops.h"
#include "partition/lower.h"
#include "placement/build_network.h"
#include "placement/folded_bound.h"
#include "placement/likeness.h"
#include "placement/predict.h"
#include "placement/solve.h"
#include "placement/timeline.h"
#include "tests/ir/random_program.h"
#include "tests/placement/all_plans.h"
#include "tests/placement/programs.h"

namespace tessera {
namespace {

constexpr size_t kMostNests = 6;
constexpr double kMostPlans = 3e4;

// How many random programs are tried: more of them every night.
int wanted_programs(int every_day) {
  const char* text = std::getenv("TESSERA_RANDOM_PLANS");
  return text == nullptr ? every_day : std::atoi(text);
}

Program small_program(uint64_t seed) {
  RandomProgramOptions options;
  options.dims = 3;
  options.definitions = 3;
  options.max_volume = 512;
  options.gradients = seed % 5 == 0;
  options.loops = seed % 4 == 0;
  return stack_loops(normalize(random_program(seed, options)));
}

// Calls `visit` with `count` programs that are small enough to try all their plans.
template <typename Visit>
void each_small_program(int count, const Visit& visit) {
  for (uint64_t seed = 1; count > 0; ++seed) {
    const Program program = small_program(seed);
    if (nests_of(program).size() > kMostNests) continue;
    if (!program.pins().empty()) continue;
    const Mesh mesh = parse_mesh(seed % 3 == 0 ? "data=3" : "data=2");
    Cluster cluster = imagined_cluster(mesh.ranks());
    cluster.levels[0].link = {1e-7, 1e8};
    const KernelSeconds seconds = testing_programs::slow_kernels(seed % 2 == 0 ? 1e8 : 1e6);
    AllPlans all(program, mesh, cluster, seconds);
    if (all.count() > kMostPlans) continue;
    visit(seed, program, mesh, cluster, seconds, all);
    if (::testing::Test::HasFailure()) {
      FAIL() << "seed " << seed << "\n" << print(program);
    }
    --count;
  }
}

TEST(RandomPlans, AreBetweenTheBoundAndTheBestOfAll) {
  int proven = 0, count = 0;
  each_small_program(wanted_programs(300),
                     [&](uint64_t, const Program& program, const Mesh& mesh, const Cluster& cluster,
                         const KernelSeconds& seconds, AllPlans& all) {
                       PlanRequest request;
                       request.mesh = mesh;
                       request.kernel_seconds = seconds;
                       const Plan plan = optimize(program, cluster, request);
                       const double best = all.least();
                       EXPECT_LE(plan.predicted.lower_bound_seconds, best * (1 + 1e-9));
                       EXPECT_GE(plan.predicted.seconds, best * (1 - 1e-9));
                       ++count;
                       proven += plan.predicted.gap < 1e-9;
                     });
  EXPECT_GE(proven, count * 9 / 10);
}

// The bound of the lifted dual, with likes decided alike or not.
TEST(RandomPlans, AreNoFasterThanTheFoldedBound) {
  each_small_program(wanted_programs(300) / 2, [&](uint64_t, const Program& program,
                                                   const Mesh& mesh, const Cluster& cluster,
                                                   const KernelSeconds& seconds, AllPlans& all) {
    const double best = all.least();
    const ProgramRules rules(program);
    const ClusterCommCost comm(cluster);
    KernelTimes kernels(seconds);
    Distances distances(mesh, comm);
    Reporter silent({});
    for (const size_t decisions : {size_t{1}, size_t{3}, size_t{600}}) {
      const Skeleton skeleton = skeleton_of(rules, likeness_of(rules, decisions));
      const PlacementNetwork placement = build_network(
          {rules, skeleton, mesh, program.pins(), cluster, kernels, distances, silent});
      FoldedBound dual(placement);
      for (int round = 0; round < 4; ++round) EXPECT_LE(dual.ascend(3), best * (1 + 1e-9));
      const Solution alike = solve(placement.network);
      EXPECT_GE(alike.cost, best * (1 - 1e-9));
      if (decisions == 600) {
        EXPECT_NEAR(alike.cost, best, 1e-9 * best);
      }
    }
  });
}

// What a plan costs by the network, by its own price, and by the collectives that lowering makes.
TEST(RandomPlans, CostWhatTheirNetworkAndWhatLoweringSays) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    RandomProgramOptions options;
    options.gradients = seed % 3 == 0;
    options.loops = seed % 2 == 0;
    const Program program = stack_loops(normalize(random_program(seed, options)));
    if (!program.pins().empty()) continue;
    for (const char* text : {"data=2", "data=2,model=3"}) {
      const Mesh mesh = parse_mesh(text);
      const Cluster cluster = imagined_cluster(mesh.ranks());
      const KernelSeconds seconds = testing_programs::slow_kernels(1e8);
      const ProgramRules rules(program);
      const ClusterCommCost comm(cluster);
      KernelTimes kernels(seconds);
      Distances distances(mesh, comm);
      Reporter silent({});
      const Skeleton skeleton = skeleton_of(rules, likeness_of(rules, seed % 4 == 0 ? 4 : 600));
      const PlacementNetwork placement = build_network(
          {rules, skeleton, mesh, program.pins(), cluster, kernels, distances, silent});
      RandomSource random(seed);
      for (int round = 0; round < 3; ++round) {
        Values values;
        for (int32_t v = 0; v < placement.network.size(); ++v)
          values.push_back(random.below(placement.network.domain(v)));
        const Plan plan = plan_of(placement, values, rules, mesh);
        verify(plan, program);
        const Objective objective =
            objective_of(rules, plan, {cluster, seconds, comm, kernels, distances});
        const double by_network = cost_of(placement.network, values);
        // A form that is held for nothing, as a partial sum that was not made so, costs nothing.
        EXPECT_LE(objective.seconds(), by_network * (1 + 1e-9)) << print(plan) << print(program);
        const auto again = values_of(placement, plan, rules, mesh);
        ASSERT_TRUE(again.has_value());
        EXPECT_NEAR(cost_of(placement.network, *again), objective.seconds(),
                    1e-9 * objective.seconds())
            << print(plan) << print(program);
        const Timeline line = timeline_of(lower(program, plan, 0, {&comm}), seconds, comm);
        EXPECT_LE(line.communicate, objective.communicate * 1.01 + 1e-15)
            << print(plan) << print(program);
      }
    }
  }
}

// The error that every table is guarded against: whatever entry is wrong by a little, the price of
// the plans that meet it is no longer what the plan costs.
TEST(RandomPlans, ShowAPlantedErrorInAnyTable) {
  const Program program = testing_programs::mlp_step({8, 12, 4, {6, 5}});
  const Mesh mesh = parse_mesh("data=2,model=2");
  const Cluster cluster = imagined_cluster(4);
  const KernelSeconds seconds = testing_programs::slow_kernels(1e8);
  const ProgramRules rules(program);
  const ClusterCommCost comm(cluster);
  KernelTimes kernels(seconds);
  Distances distances(mesh, comm);
  Reporter silent({});
  const Skeleton skeleton = skeleton_of(rules, all_alone(rules));
  NetworkInputs inputs{rules,     skeleton, mesh, program.pins(), cluster, kernels,
                       distances, silent,   true};
  PlacementNetwork placement = build_network(inputs);
  RandomSource random(7);
  const Network sound = placement.network;
  for (size_t e = 0; e < sound.edges.size(); ++e) {
    const Network::Edge& edge = sound.edges[e];
    Values values;
    for (int32_t v = 0; v < sound.size(); ++v) values.push_back(random.below(sound.domain(v)));
    const Plan plan = plan_of(placement, values, rules, mesh);
    const Values read = *values_of(placement, plan, rules, mesh);
    const size_t entry = edge.table + static_cast<size_t>(read[edge.a]) * sound.domain(edge.b) +
                         static_cast<size_t>(read[edge.b]);
    const double truth =
        objective_of(rules, plan, {cluster, seconds, comm, kernels, distances}).seconds();
    ASSERT_NEAR(cost_of(sound, read), truth, 1e-9 * truth);
    Network wrong = sound;
    wrong.tables[entry] += 1e-6;
    EXPECT_GT(std::abs(cost_of(wrong, read) - truth), 1e-9 * truth) << "edge " << e;
  }
}

// Nests of one class cost the same, whatever their names.
TEST(NestClasses, AreOfNestsThatCostTheSame) {
  int shared = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    RandomProgramOptions options;
    options.gradients = seed % 2 == 0;
    options.loops = seed % 3 == 0;
    const Program program = stack_loops(normalize(random_program(seed, options)));
    const ProgramRules rules(program);
    const Mesh mesh = parse_mesh("data=2");
    for (size_t n = 0; n < rules.nests.size(); ++n) {
      const size_t example = rules.classes.classes[rules.classes.of[n]].example;
      if (example == n) continue;
      ++shared;
      ASSERT_EQ(rules.choices[n].size(), rules.choices[example].size());
      for (size_t c = 0; c < rules.choices[n].size(); ++c) {
        const Assignment a{{rules.choices[n][c]}, {}}, b{{rules.choices[example][c]}, {}};
        const Nest of_n = first_rank_nest(rules.nests[n], a, mesh, rules.scopes);
        const Nest of_example = first_rank_nest(rules.nests[example], b, mesh, rules.scopes);
        EXPECT_EQ(flops_of(of_n), flops_of(of_example));
        EXPECT_EQ(bytes_of(of_n), bytes_of(of_example));
        EXPECT_EQ(first_rank_extents(rules.nests[n], a, mesh),
                  first_rank_extents(rules.nests[example], b, mesh));
      }
    }
  }
  EXPECT_GT(shared, 10);
}

}  // namespace
}  // namespace tessera
