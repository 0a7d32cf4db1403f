#include "placement/optimize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "base/error.h"
#include "ir/parse.h"
#include "ir/stack_loops.h"
#include "partition/demands.h"
#include "partition/lower.h"
#include "partition/manual_plan.h"
#include "partition/simulate.h"
#include "placement/build_network.h"
#include "placement/explain.h"
#include "placement/memory.h"
#include "placement/predict.h"
#include "placement/timeline.h"
#include "tests/placement/all_plans.h"
#include "tests/placement/programs.h"

namespace tessera {
namespace {

using namespace testing_programs;  // NOLINT: of the tests only
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

// Everything that prices plans of one program on one mesh.
struct Bench {
  Bench(const Program& program, const std::string& mesh_text, double flops = 100e9)
      : mesh(parse_mesh(mesh_text)),
        cluster(imagined_cluster(mesh.ranks())),
        seconds(slow_kernels(flops)),
        comm(cluster),
        kernels(seconds),
        distances(mesh, comm),
        rules(program) {}

  Prices prices() { return {cluster, seconds, comm, kernels, distances}; }

  Mesh mesh;
  Cluster cluster;
  KernelSeconds seconds;
  ClusterCommCost comm;
  KernelTimes kernels;
  Distances distances;
  ProgramRules rules;
};

// Every way for each axis to lie on one dim or none.
std::vector<Sharding> all_forms(const Tensor& tensor, const Mesh& mesh) {
  std::vector<Sharding> forms = {replicated(tensor)};
  for (int axis = 0; axis < mesh.count(); ++axis)
    for (size_t f = 0, count = forms.size(); f < count; ++f)
      for (size_t d = 0; d < tensor.dims().size(); ++d) {
        forms.push_back(forms[f]);
        forms.back().split[d].push_back(axis);
      }
  return forms;
}

// Calls `visit` with every plan of the program: every legal choice, every way to keep a tensor.
template <typename Visit>
void for_each_plan(const Bench& bench, const Visit& visit) {
  const Program& program = bench.rules.program;
  Plan plan = default_plan(program, bench.mesh);
  std::vector<std::vector<Assignment>> nests;
  for (const NestRules& rules : bench.rules.nests)
    nests.push_back(all_assignments(rules, bench.mesh));
  std::vector<std::vector<Sharding>> forms;
  for (const StorageDecision& decision : plan.stored)
    forms.push_back(all_forms(program.get(decision.tensor), bench.mesh));
  for (const Output& output : program.outputs())
    forms.push_back(all_forms(output.value, bench.mesh));
  std::vector<size_t> sizes, at;
  for (const auto& list : nests) sizes.push_back(list.size());
  for (const auto& list : forms) sizes.push_back(list.size());
  at.assign(sizes.size(), 0);
  for (size_t i = 0; i < at.size();) {
    for (size_t n = 0; n < nests.size(); ++n) plan.nests[n].assignment = nests[n][at[n]];
    for (size_t f = 0; f < forms.size(); ++f) {
      StorageDecision& decision =
          f < plan.stored.size() ? plan.stored[f] : plan.outputs[f - plan.stored.size()];
      decision.stored = forms[f][at[nests.size() + f]];
    }
    visit(plan);
    for (i = 0; i < at.size() && ++at[i] == sizes[i]; ++i) at[i] = 0;
  }
}

PlanRequest on_mesh(const std::string& mesh, double flops = 100e9) {
  PlanRequest request;
  request.mesh = parse_mesh(mesh);
  request.kernel_seconds = slow_kernels(flops);
  return request;
}

void expect_best_of_all(const Program& program, const std::string& mesh, double flops) {
  Bench bench(program, mesh, flops);
  const double best = AllPlans(program, bench.mesh, bench.cluster, bench.seconds).least();
  Plan plan = optimize(program, bench.cluster, on_mesh(mesh, flops));
  verify(plan, program);
  EXPECT_NEAR(plan.predicted.seconds, best, 1e-12) << mesh << " at " << flops;
  EXPECT_NEAR(plan.predicted.lower_bound_seconds, best, 1e-12);
}

TEST(Optimize, FindsTheBestOfAllPlansOnOneAxis) {
  for (double flops : {1e6, 1e8, 1e10, 1e12})
    expect_best_of_all(tiny_step(8, 4, 6), "data=2", flops);
}

TEST(Optimize, FindsTheBestOfAllPlansOnTwoAxes) {
  Program p("product");
  Dim b("b", 8), i("i", 8);
  Tensor x = p.input("x", {b, i}), w = p.parameter("w", {i});
  p.output("y", sum(i, x * w));
  Program normal = normalize(p);
  for (double flops : {1e6, 1e8, 1e11}) expect_best_of_all(normal, "data=2,model=2", flops);
}

TEST(Optimize, ObjectiveEqualsNetworkAndWhatLoweringDoes) {
  Program program = tiny_step(8, 4, 6);
  Bench bench(program, "data=2");
  Reporter silent({});
  const Skeleton skeleton = skeleton_of(bench.rules, all_alone(bench.rules));
  const std::vector<Pin> pins;
  NetworkInputs inputs{bench.rules,   skeleton,        bench.mesh, pins, bench.cluster,
                       bench.kernels, bench.distances, silent,     true};
  PlacementNetwork placement = build_network(inputs);
  int inside = 0, equal = 0, count = 0;
  for_each_plan(bench, [&](const Plan& plan) {
    if (++count % 3 != 0) return;  // enough of them
    Objective objective = objective_of(bench.rules, plan, bench.prices());
    auto values = values_of(placement, plan, bench.rules, bench.mesh);
    if (values) {
      ++inside;
      EXPECT_NEAR(cost_of(placement.network, *values), objective.seconds(), 1e-12);
      EXPECT_EQ(plan_hash(plan_of(placement, *values, bench.rules, bench.mesh)), plan_hash(plan));
    }
    ShardedProgram local = lower(program, plan, 0, {&bench.comm});
    Timeline line = timeline_of(local, bench.seconds, bench.comm);
    EXPECT_LE(line.communicate, objective.communicate + 1e-12);
    equal += line.communicate > objective.communicate - 1e-12;
  });
  EXPECT_GT(inside, 500);
  EXPECT_GT(equal, count / 3 * 3 / 4);
}

// A loop that turns takes as many kernels as there are blocks, and moves what goes around between.
TEST(Optimize, PricesTurnsAsLoweringDoes) {
  const Program program = normalize(parse(R"(program product
dim i = 12, j = 6, k = 24
input x[i, k]
input w[k, j]
y = sum[k](x * w)
output y[i, j]
)"));
  for (const char* mesh : {"a=2", "a=2,b=2"}) {
    Bench bench(program, mesh);
    Plan plan = default_plan(program, bench.mesh);
    plan.nests[0].assignment.axes[0] = parse_choice("i turning k");
    if (bench.mesh.count() > 1) plan.nests[0].assignment.axes[1] = parse_choice("j turning k");
    const NestRules& rules = bench.rules.nests[0];
    plan.outputs[0].stored = rules.result_sharding(plan.nests[0].assignment);
    for (StorageDecision& stored : plan.stored)
      for (size_t k = 0; k < rules.operands().size(); ++k)
        if (rules.operand_tensor(k).name() == stored.tensor)
          stored.stored = rules.operand_sharding(k, plan.nests[0].assignment);
    const Objective objective = objective_of(bench.rules, plan, bench.prices());
    const ShardedProgram local = lower(program, plan, 0, {&bench.comm});
    const Timeline line = timeline_of(local, bench.seconds, bench.comm);
    EXPECT_GT(objective.communicate, 0);
    EXPECT_LE(line.communicate, objective.communicate + 1e-12);
    if (bench.mesh.count() == 1) {  // on two axes the first rank has its first block already
      EXPECT_NEAR(line.communicate, objective.communicate, 1e-12) << print(local);
    }
  }
}

TEST(Optimize, SplitsAConvolutionInSpaceAndPricesTheHalo) {
  Program p("blur");
  Dim y("y", 4098), x("x", 1024), oy("oy", 4096), ky("ky", 3);
  Tensor image = p.input("image", {y, x}), w = p.parameter("w", {ky});
  Tensor sharp = p.define("sharp", exp(Expr(image)));
  p.output("out", sum(ky, sharp.at(y, index(oy) + index(ky)) * w));
  Program program = normalize(p);
  Bench bench(program, "data=4", 1e9);
  PlanRequest request = on_mesh("data=4", 1e9);
  request.pins = {{"sharp", "y", "data", {}}, {"out", "oy", "data", {}}};
  Plan plan = optimize(program, bench.cluster, request);
  Objective objective = objective_of(bench.rules, plan, bench.prices());
  EXPECT_NEAR(plan.predicted.seconds, objective.seconds(), 1e-12);
  ASSERT_EQ(plan.predicted.collectives.size(), 1u);
  EXPECT_EQ(plan.predicted.collectives[0].kind, "halo");
  EXPECT_LT(plan.predicted.collectives[0].bytes, 64 * 1024);
  EXPECT_GT(objective.communicate, 0);
  EXPECT_LT(objective.communicate, 1e-3);  // gathering the image would take longer
}

TEST(Optimize, PlansComputeTheProgram) {
  Program program = mlp_step({8, 12, 4, {6, 5}}, two_moments(0.01));
  Arrays inputs, start;
  auto fill = [](const Tensor& tensor, double scale) {
    Array array = make_array(tensor.type(), extents(tensor.dims()));
    for (size_t i = 0; i < array.size(); ++i)
      array.set(i, is_float(tensor.type()) ? scale * std::sin(1.7 * i + 1) : double(i % 4));
    return array;
  };
  for (const Tensor& t : program.inputs()) inputs[t.name()] = fill(t, 1);
  for (const Tensor& t : program.parameters()) start[t.name()] = fill(t, 0.5);
  for (const Tensor& t : program.states()) start[t.name()] = fill(t, 0);
  Arrays expected_state = start;
  Arrays expected = interpret(program, inputs, expected_state);
  for (const char* mesh : {"data=2", "data=3", "data=2,model=2"})
    for (double flops : {1e5, 1e7, 1e9}) {
      Plan plan =
          optimize(program, imagined_cluster(parse_mesh(mesh).ranks()), on_mesh(mesh, flops));
      Arrays state = start;
      Arrays outputs = simulate(program, plan, inputs, state);
      EXPECT_NEAR(outputs["loss"].get(0), expected["loss"].get(0), 1e-4) << mesh;
      for (size_t i = 0; i < state["w1"].size(); ++i)
        EXPECT_NEAR(state["w1"].get(i), expected_state["w1"].get(i), 1e-3) << mesh;
    }
}

TEST(Optimize, IsNeverCostlierThanATemplate) {
  Program program = mlp_step();
  for (double flops : {1e9, 1e11, 1e13})
    for (const char* mesh : {"data=2", "data=4,model=2"}) {
      Bench bench(program, mesh, flops);
      Plan best = optimize(program, bench.cluster, on_mesh(mesh, flops));
      std::vector<Pin> batch, sharded;
      for (const Axis& axis : bench.mesh.axes) {
        batch.push_back({"image", "batch", axis.name, {}});
        sharded.push_back({"image", "batch", axis.name, {}});
      }
      sharded.push_back({"w1", "pixel", "data", {}});
      for (const Plan& plan :
           {default_plan(program, bench.mesh), manual_plan(program, bench.mesh, batch),
            manual_plan(program, bench.mesh, sharded)})
        EXPECT_LE(best.predicted.seconds,
                  objective_of(bench.rules, plan, bench.prices()).seconds() * (1 + 1e-9));
    }
}

TEST(Optimize, PlansTheMlpOnTwoDevicesOptimally) {
  Plan plan = optimize(mlp_step(), imagined_cluster(2));
  EXPECT_EQ(print(plan.mesh), "data=2");
  EXPECT_LT(plan.predicted.gap, 1e-9);
  EXPECT_GT(plan.predicted.peak_bytes, 1 << 20);
  EXPECT_FALSE(plan.predicted.collectives.empty());
  for (const NestDecision& nest : plan.nests) {
    EXPECT_EQ(nest.chosen.by, ChosenBy::optimizer);
    EXPECT_NE(nest.chosen.why, "");
  }
}

// Work stands for time: it is the same on every machine, and an addition takes about a nanosecond.
TEST(Optimize, ProvesAPlanForSixtyFourDevicesWithABillionAdditions) {
  Program program = mlp_step({}, two_moments(0.01));
  PlanRequest request;
  request.operations = 1'000'000'000;
  Plan plan = optimize(program, imagined_cluster(64), request);
  EXPECT_GT(plan.predicted.lower_bound_seconds, 0);
  EXPECT_LT(plan.predicted.gap, 1e-9);
  EXPECT_EQ(plan.mesh.ranks(), 64);
  Plan one = optimize(program, imagined_cluster(1));
  EXPECT_TRUE(one.mesh.axes.empty());
  EXPECT_LT(plan.predicted.seconds, one.predicted.seconds);
}

TEST(Optimize, WithLittleWorkTheGapStaysOpen) {
  const Program program = mlp_step({}, two_moments(0.01));
  PlanRequest request;
  request.operations = 100'000;  // too few to prove anything much
  const Plan hasty = optimize(program, imagined_cluster(64), request);
  const Plan plan = optimize(program, imagined_cluster(64));
  EXPECT_GT(hasty.predicted.gap, 1e-3);
  EXPECT_LE(hasty.predicted.lower_bound_seconds, plan.predicted.seconds * (1 + 1e-9));
  EXPECT_GE(hasty.predicted.seconds, plan.predicted.lower_bound_seconds * (1 - 1e-9));
}

TEST(Optimize, GivesTheSamePlanTwice) {
  Program program = mlp_step({64, 100, 10, {50}});
  Plan a = optimize(program, imagined_cluster(8)), b = optimize(program, imagined_cluster(8));
  a.predicted.search_seconds = b.predicted.search_seconds = 0;
  EXPECT_EQ(to_text(a), to_text(b));
  EXPECT_EQ(a, plan_from_text(to_text(a)));
}

// --- Pins ------------------------------------------------------------------------------------

TEST(Pins, AreHonouredAndAttributed) {
  Program program = mlp_step();
  PlanRequest request = on_mesh("data=2,model=2");
  request.pins = {{"w1", "hidden1", "model", {"pins.yaml", 3}}, {"h2", "batch", "data", {}}};
  Plan plan = optimize(program, imagined_cluster(4), request);
  EXPECT_THAT(plan.storage("w1").stored.split[1], ::testing::Contains(1));
  EXPECT_EQ(plan.storage("w1").chosen.by, ChosenBy::user);
  EXPECT_EQ(plan.storage("w1").chosen.why, "pinned to hidden1: model");
  EXPECT_EQ(plan.storage("w1").chosen.where.line, 3);
  EXPECT_EQ(plan.nest("h2").assignment.axes[0].dim, "batch");
  EXPECT_EQ(plan.nest("h2").chosen.by, ChosenBy::user);
  Plan free = optimize(program, imagined_cluster(4), on_mesh("data=2,model=2"));
  EXPECT_GE(plan.predicted.seconds, free.predicted.seconds);
}

TEST(Pins, OfTheProgramCountAndChooseTheMesh) {
  Program p("pinned");
  Dim b("b", 16), i("i", 16);
  Tensor x = p.input("x", {b, i}), w = p.parameter("w", {i});
  p.output("y", sum(i, x * w));
  p.pin("w", "i", "model");
  Plan plan = optimize(normalize(p), imagined_cluster(4));
  EXPECT_GE(plan.mesh.find("model"), 0);
  EXPECT_EQ(plan.storage("w").stored.split[0], Axes{plan.mesh.find("model")});
}

void expect_user_error(const Program& program, const Cluster& cluster, const PlanRequest& request,
                       const std::string& text) {
  try {
    optimize(program, cluster, request);
    FAIL() << "no error";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(Pins, ThatNameNothingAreErrors) {
  Program program = mlp_step();
  PlanRequest request;
  request.pins = {{"w1", "hidden1", "modle", {}}};
  expect_user_error(program, imagined_cluster(4), request,
                    "pin: a chosen mesh has no axis `modle`; it can have data, model, depth (did "
                    "you mean `model`?). Name another axis, or give the mesh");
  request.pins = {{"w1", "hiden1", "data", {}}};
  expect_user_error(program, imagined_cluster(4), request,
                    "pin: `w1` has no dim `hiden1`; it has pixel, hidden1 (did you mean "
                    "`hidden1`?)");
  request.mesh = parse_mesh("rows=2,columns=2");
  request.pins = {{"w1", "hidden1", "column", {}}};
  expect_user_error(program, imagined_cluster(4), request,
                    "pin: the mesh has no axis `column`; it has rows, columns (did you mean "
                    "`columns`?)");
  request.pins.clear();
  expect_user_error(program, imagined_cluster(8), request,
                    "the mesh rows=2,columns=2 has 4 ranks, but the cluster has 8 devices; change "
                    "one of them");
}

// --- Memory ----------------------------------------------------------------------------------

TEST(Memory, CountsWhatIsAlive) {
  Program p("chain");
  Dim i("i", 1024);
  Tensor x = p.input("x", {i});
  Tensor w = p.parameter("w", {i});
  Tensor a = p.define("a", exp(Expr(x)));
  Tensor b = p.define("b", sum(i, Expr(a) * w));
  Tensor c = p.define("c", Expr(x) * b);
  p.update(w, Expr(w) - c);
  p.output("b", b);
  Program normal = normalize(p);
  ShardedProgram local = lower(normal, default_plan(normal, Mesh{}), 0);
  MemoryUse use = memory_of(local);
  // x and w for the whole step, b as an output; then a while b is computed, or c; w in place.
  EXPECT_EQ(use.kept, 2 * 4096 + 64);
  EXPECT_EQ(use.peak, 3 * 4096 + 64);
  EXPECT_EQ(use.holdings.size(), 4u);
}

TEST(Memory, LimitsAreObeyed) {
  Program program = mlp_step({16, 784, 10, {512, 512}}, two_moments(0.01));
  Cluster cluster = imagined_cluster(4);
  PlanRequest request = on_mesh("data=4", 1e13);
  Plan free = optimize(program, cluster, request);
  double last = free.predicted.seconds;
  for (double share : {0.95, 0.9, 0.8}) {
    request.memory = static_cast<int64_t>(share * free.predicted.peak_bytes);
    Plan tight = optimize(program, cluster, request);
    EXPECT_LE(tight.predicted.peak_bytes, *request.memory);
    EXPECT_GE(tight.predicted.seconds, last * (1 - 1e-9));
    EXPECT_LE(tight.predicted.lower_bound_seconds, tight.predicted.seconds);
    EXPECT_GE(tight.predicted.lower_bound_seconds, free.predicted.lower_bound_seconds * (1 - 1e-9));
  }
}

TEST(Memory, BoundHoldsForAllPlansUnderTheLimit) {
  Program program = tiny_step(64, 64, 64);
  Bench bench(program, "data=2", 1e12);
  Plan free = optimize(program, bench.cluster, on_mesh("data=2", 1e12));
  for (double share : {0.9, 0.7, 0.5}) {
    double limit = share * free.predicted.peak_bytes, best = kForbidden;
    for_each_plan(bench, [&](Plan plan) {
      choose_held(program, bench.rules.scopes, bench.rules.nests, bench.comm, plan);
      double seconds = objective_of(bench.rules, plan, bench.prices()).seconds();
      if (seconds >= best) return;
      if (memory_of(lower(program, plan, 0, {&bench.comm})).peak <= limit) best = seconds;
    });
    PlanRequest request = on_mesh("data=2", 1e12);
    request.memory = static_cast<int64_t>(limit);
    request.recompute = false;  // not among the plans that were tried
    if (best == kForbidden) {
      EXPECT_THROW(optimize(program, bench.cluster, request), UserError);
      continue;
    }
    Plan plan = optimize(program, bench.cluster, request);
    EXPECT_LE(plan.predicted.lower_bound_seconds, best * (1 + 1e-9)) << share;
    EXPECT_GE(plan.predicted.seconds, best * (1 - 1e-9)) << share;
    EXPECT_LE(plan.predicted.seconds, best * 1.3) << share;
  }
}

TEST(Memory, ThatDoesNotSufficeIsExplained) {
  Program program = mlp_step({64, 784, 10, {512}});
  PlanRequest request;
  request.memory = 700'000;
  try {
    optimize(program, imagined_cluster(2), request);
    FAIL();
  } catch (const UserError& error) {
    std::string text = error.what();
    EXPECT_THAT(text, HasSubstr("no plan for `mlp` on 2 cpu devices of 16.0 GiB in 1 node fits "
                                "into 684 KiB per device. The smallest peak found is "));
    EXPECT_THAT(text, HasSubstr("(mesh data=2), at `"));
    EXPECT_THAT(text, HasSubstr("`w1` 784 KiB"));
    EXPECT_THAT(text, HasSubstr(". Allow at least "));
    EXPECT_THAT(text, HasSubstr(" per device, or use "));
  }
}

// --- Explain ---------------------------------------------------------------------------------

TEST(Explain, IsAPageOfAHundredColumns) {
  Program program = mlp_step({}, two_moments(0.01));
  Cluster cluster = imagined_cluster(8);
  PlanRequest request;
  request.mesh = parse_mesh("data=2,model=4");
  request.pins = {{"w2", "hidden2", "model", {"pins.yaml", 3}}};
  std::string text = explain(program, optimize(program, cluster, request), cluster);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
  for (const char* part :
       {"plan of mlp for 8 cpu devices of 16.0 GiB in 1 node", "data=2,model=4",
        "predicted time per step", "proven lower bound", "0 (no plan in the space is faster)",
        "peak memory per device", "user: pinned to hidden2:", "costs",
        "collectives of one device, in order", "nests that take longest",
        "memory at the fullest moment"})
    EXPECT_THAT(text, HasSubstr(part));
}

// Each iteration reads places from all over the field.
TEST(Explain, SaysWhatOfALoopIsKeptAndWhyATensorIsGatheredWhole) {
  const Program program = stack_loops(normalize(parse(R"(program ring
dim x = 1024
input first[x]
loop step = 100 carry field = first { field = 0.5 * field[x: 7 * x % 1024] }
output field
)")));
  const Cluster cluster = imagined_cluster(4);
  PlanRequest request;
  request.mesh = parse_mesh("data=4");
  request.pins = {{"field_so_far", "x", "data", {}}, {"field_next", "x", "data", {}}};
  const std::string text = explain(program, optimize(program, cluster, request), cluster);
  // Two of a hundred iterations, a quarter of each.
  EXPECT_THAT(text, ContainsRegex("field_so_far +\\[step, x: data\\] +2.00 KiB"));
  EXPECT_THAT(text, HasSubstr("gathered whole, as these indices may reach all of a dim"));
  EXPECT_THAT(text, HasSubstr("x: 7 * x % 1024"));
}

}  // namespace
}  // namespace tessera
