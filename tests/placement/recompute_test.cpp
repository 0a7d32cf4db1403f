#include "placement/recompute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "partition/lower.h"
#include "partition/simulate.h"
#include "placement/explain.h"
#include "placement/memory.h"
#include "placement/optimize.h"
#include "tests/ir/random_program.h"
#include "tests/placement/programs.h"

namespace tessera {
namespace {

using namespace testing_programs;  // NOLINT: of the tests only
using ::testing::HasSubstr;

// x = x + sum[hidden](tanh(sum[model](x * up)) * down), `layers` times, and what training does: a
// deep network whose memory is what its gradients read.
Program deep_step(int layers, int64_t batch, int64_t width) {
  Program p("deep");
  const Dim b("batch", batch), model("model", width), hidden("hidden", 4 * width);
  Tensor x = p.input("x0", {b, model});
  for (int i = 1; i <= layers; ++i) {
    const std::string n = std::to_string(i);
    const Tensor up = p.parameter("up" + n, {model, hidden}, glorot());
    const Tensor down = p.parameter("down" + n, {hidden, model}, glorot());
    const Tensor h = p.define("h" + n, tanh(sum(model, x * up)));
    x = p.define("x" + n, x + sum(hidden, h * down));
  }
  const Tensor loss = p.define("loss", mean({b, model}, Expr(x) * x));
  p.minimize(loss, plain_descent(0.01));
  p.output("loss", loss);
  return normalize(p);
}

TEST(Recompute, FitsADeepNetworkIntoASeventhOfItsMemoryForAQuarterOfTheTime) {
  const Program program = deep_step(100, 16384, 32);
  PlanRequest request;
  request.kernel_seconds = slow_kernels(100e9);
  const Plan free = optimize(program, imagined_cluster(1), request);
  EXPECT_TRUE(free.recomputed.empty());
  double last = free.predicted.seconds;
  for (const double share : {0.8, 0.5, 0.25, 1.0 / 7}) {
    request.memory = static_cast<int64_t>(share * static_cast<double>(free.predicted.peak_bytes));
    const Plan plan = optimize(program, imagined_cluster(1), request);
    verify(plan, program);
    EXPECT_LE(plan.predicted.peak_bytes, *request.memory) << share;
    EXPECT_EQ(memory_of(lower(program, plan, 0)).peak, plan.predicted.peak_bytes);
    EXPECT_FALSE(plan.recomputed.empty()) << share;
    EXPECT_GE(plan.predicted.seconds, last * (1 - 1e-3)) << share;
    EXPECT_LE(plan.predicted.seconds, 1.25 * free.predicted.seconds) << share;
    EXPECT_LE(plan.predicted.lower_bound_seconds, plan.predicted.seconds);
    EXPECT_EQ(plan_from_text(to_text(plan)), plan);
    last = plan.predicted.seconds;
  }
}

TEST(Recompute, IsExplainedWithWhatItCosts) {
  const Program program = deep_step(8, 4096, 32);
  const Cluster cluster = imagined_cluster(1);
  PlanRequest request;
  request.kernel_seconds = slow_kernels(100e9);
  request.memory = optimize(program, cluster, request).predicted.peak_bytes / 2;
  const Plan plan = optimize(program, cluster, request);
  EXPECT_THAT(explain(program, plan, cluster, request.kernel_seconds),
              HasSubstr("computed twice so that it need not be kept: "));
  request.recompute = false;
  EXPECT_THROW(optimize(program, cluster, request), UserError);
}

// Ranks that compute some things twice have the bits of ranks that do not.
TEST(Recompute, ChangesNoBitOnRanks) {
  int tried = 0;
  RandomProgramOptions options;
  options.gradients = true;
  options.max_volume = 256;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Program program = normalize(random_program(seed, options));
    if (!program.carries().empty()) continue;
    const Cluster cluster = imagined_cluster(4);
    PlanRequest request;
    request.mesh = parse_mesh("data=2,model=2");
    request.kernel_seconds = slow_kernels(1e6);
    request.operations = 10'000'000;
    const Plan plan = optimize(program, cluster, request);
    const std::vector<Tensor> definitions = program.definitions();
    RandomSource random(seed);
    std::vector<Recomputation> which;
    for (size_t i = 0; i + 1 < definitions.size(); ++i)
      if (random.chance(0.5))
        which.push_back(
            {definitions[i].name(), definitions[static_cast<size_t>(random.between(
                                                    static_cast<int64_t>(i + 1),
                                                    static_cast<int64_t>(definitions.size()) - 1))]
                                        .name()});
    const Plan again = with_recomputation(program, plan, which);
    verify(again, program);
    tried += again.nests.size() > plan.nests.size();
    const Arrays inputs = random_inputs(program, seed);
    Arrays state = initial_state(program, seed), other = state;
    const Arrays expected = simulate(program, plan, inputs, state);
    const Arrays found = simulate(program, again, inputs, other);
    for (const auto& [name, array] : expected) EXPECT_EQ(found.at(name), array) << seed << name;
    for (const auto& [name, array] : state) EXPECT_EQ(other.at(name), array) << seed << name;
  }
  EXPECT_GT(tried, 20);
}

// What is predicted without lowering is what lowering needs, or a little more.
TEST(Recompute, PredictsThePeakOfWhatItChooses) {
  const Program program = deep_step(20, 1024, 16);
  const Cluster cluster = imagined_cluster(2);
  const KernelSeconds seconds = slow_kernels(1e9);
  PlanRequest request;
  request.mesh = parse_mesh("data=2");
  request.kernel_seconds = seconds;
  const Plan plan = optimize(program, cluster, request);
  const ClusterCommCost comm(cluster);
  KernelTimes kernels(seconds);
  Distances distances(*request.mesh, comm);
  const ProgramRules rules(program);
  const ShardedProgram local = lower(in_early_order(program), plan, 0, {&comm});
  const int64_t peak = memory_of(local).peak;
  for (const double share : {0.7, 0.4}) {
    const auto choice =
        choose_recomputation(rules, plan, local, {cluster, seconds, comm, kernels, distances},
                             static_cast<int64_t>(share * static_cast<double>(peak)));
    ASSERT_TRUE(choice.has_value());
    const Plan again = with_recomputation(program, plan, choice->recomputed);
    const int64_t needs = memory_of(lower(program, again, 0, {&comm})).peak;
    EXPECT_LT(needs, peak);
    EXPECT_NEAR(static_cast<double>(needs), static_cast<double>(choice->peak),
                0.05 * static_cast<double>(peak));
  }
}

}  // namespace
}  // namespace tessera
