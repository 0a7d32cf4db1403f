#include "runtime/executable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/stack_loops.h"
#include "models/mlp.h"
#include "models/optimizers.h"
#include "partition/manual_plan.h"
#include "partition/random_plan.h"
#include "tests/ir/random_program.h"
#include "tests/runtime/close.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

class RandomProgramsOnRanks : public ::testing::TestWithParam<int> {};

TEST_P(RandomProgramsOnRanks, AgreeWithTheInterpreter) {
  const int ranks = GetParam();
  Mesh mesh{{{"data", ranks}}};
  if (ranks == 4) mesh = Mesh{{{"data", 2}, {"model", 2}}};
  for (uint64_t seed = 0; seed < 50; ++seed) {
    RandomProgramOptions options;
    options.gradients = seed % 3 == 0;
    options.discontinuous = false;
    options.loops = seed % 5 == 4;
    if (options.loops) options.definitions = 2;
    const Program program = random_program(1000 * static_cast<uint64_t>(ranks) + seed, options);
    const Program normal = stack_loops(normalize(program));
    const Arrays inputs = random_inputs(program, seed);
    Arrays state = initial_state(program, seed);
    const Arrays start = state;
    const Arrays wanted = interpret(program, inputs, state);
    const std::string what = "ranks " + std::to_string(ranks) + " seed " + std::to_string(seed);
    const Plan plan = random_plan(normal, mesh, seed);
    RunRecord run;
    ASSERT_NO_THROW(run = run_on_local_ranks(normal, plan, inputs, start)) << what << "\n"
                                                                           << print(normal);
    for (const auto& [name, array] : wanted)
      expect_close(run.outputs[0].at(name), array, 2e-4, what + " output " + name);
    for (const auto& [name, array] : state)
      expect_close(run.state.at(name), array, 2e-4, what + " state " + name);
    if (HasFatalFailure()) FAIL() << print(normal) << print(plan);
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, RandomProgramsOnRanks, ::testing::Values(1, 2, 3, 4, 5));

// Compiled kernels and real exchanges: of windows, of their gradients and around a ring, with the
// neighbours, and for `mirror` and `half` with whoever has it.
TEST(Executable, ExchangesWindows) {
  const Program normal = normalize(parse(R"(program spatial
dim y = 48, x = 5, oy = 24, ky = 3, c = 2
param image[y, x] = normal(0, 1)
param w[ky, c] = normal(0, 1)
h = sum[ky](image[y: 2*oy + ky - 1 pad 0] * w)
ring = sum[ky](image[y: (y + ky - 1) % 48])
mirror = image[y: 47 - y]
half = image[y: (y + 24) % 48]
loss = sum[oy, x, c](h * h * h) + sum[y, x](ring * mirror * half)
update image = image - 0.01 * grad(sum[oy, x, c](h * h * h), image)
update w = w - 0.01 * grad(loss, w)
output loss
output ring
output half
)"));
  const Arrays inputs = random_inputs(normal, 1);
  const Arrays start = initial_state(normal, 1);
  Arrays state = start;
  const Arrays wanted = interpret(normal, inputs, state);
  for (const int ranks : {2, 3, 4, 6}) {
    const Mesh mesh{{{"a", ranks}}};
    Plan plan = manual_plan(normal, mesh, {{"image", "y", "a", {}}});
    plan.held.clear();
    for (NestDecision& nest : plan.nests)
      for (const char* loop : {"y", "oy", "y_unit"})
        if (find_loop(nest_of(normal.get(nest.nest)), loop)) {
          nest.assignment.axes[0] = parse_choice(loop);
          break;
        }
    int64_t exchanges = 0;
    for (const auto& [kind, traffic] : bytes_by_collective(lower(normal, plan, 0)))
      if (kind == "halo" || kind == "window") exchanges += traffic.count;
    EXPECT_GE(exchanges, 5) << print(lower(normal, plan, 0));
    const RunRecord run = run_on_local_ranks(normal, plan, inputs, start);
    const std::string what = "ranks " + std::to_string(ranks);
    for (const auto& [name, array] : wanted)
      expect_close(run.outputs[0].at(name), array, 2e-4, what + " output " + name);
    for (const auto& [name, array] : state)
      expect_close(run.state.at(name), array, 2e-4, what + " state " + name);
  }
}

// Blocks go around a ring of ranks, or both ways on four (Cannon's product).
TEST(Executable, TurnsAReducedLoop) {
  const Program normal = normalize(parse(R"(program product
dim i = 24, j = 10, k = 36
input x[i, k]
input w[k, j]
y = sum[k](x * w)
z = tanh(y)
output z[i, j]
)"));
  const Arrays inputs = random_inputs(normal, 2);
  Arrays state;
  const Array wanted = interpret(normal, inputs, state).at("z");
  for (const char* text : {"a=2", "a=3", "a=5", "a=2,b=2"}) {
    Plan plan = default_plan(normal, parse_mesh(text));
    Assignment& assignment = plan.nests[0].assignment;
    assignment.axes[0] = parse_choice("i turning k");
    plan.nests[1].assignment.axes[0] = parse_choice("i");
    if (plan.mesh.count() > 1) {
      assignment.axes[1] = parse_choice("j turning k");
      plan.nests[1].assignment.axes[1] = parse_choice("j");
    }
    const NestRules rules(nest_of(normal.get("y")));
    for (StorageDecision& stored : plan.stored)
      for (size_t operand = 0; operand < rules.operands().size(); ++operand)
        if (rules.operand_tensor(operand).name() == stored.tensor)
          stored.stored = rules.operand_sharding(operand, assignment);
    plan.outputs[0].stored = rules.result_sharding(assignment);
    EXPECT_EQ(bytes_by_collective(lower(normal, plan, 0)).count("all-gather"), 0U);
    const RunRecord run = run_on_local_ranks(normal, plan, inputs, {});
    expect_close(run.outputs[0].at("z"), wanted, 2e-4, text);
  }
}

// y[k] = sum[k](x): the value is repeated along the dim that is reduced.
TEST(Executable, RepeatsASumAlongTheDimThatItReduces) {
  Program p("repeats");
  const Dim k("k", 5), j("j", 3);
  const Tensor x = p.input("x", {j, k});
  p.output("y", p.define("y", sum(k, x), std::source_location::current(), {k, j}), {k, j});
  const Program normal = normalize(p);
  for (const Nest& nest : nests_of(normal))
    EXPECT_TRUE(intersect(nest.out.dims(), nest.reduced).empty()) << print(normal);
  const Arrays inputs = random_inputs(p, 1);
  Arrays state;
  const Arrays wanted = interpret(p, inputs, state);
  const Plan plan = manual_plan(normal, Mesh{{{"data", 2}}}, {{"x", "k", "data", {}}});
  const RunRecord run = run_on_local_ranks(normal, plan, inputs, {});
  expect_close(run.outputs[0].at("y"), wanted.at("y"), 1e-6, "y");
}

Arrays mlp_inputs(int64_t batch, int64_t pixels, int64_t labels) {
  Arrays inputs = {{"image", make_array(DType::f32, {batch, pixels})},
                   {"truth", make_array(DType::i32, {batch})}};
  for (size_t i = 0; i < inputs["image"].size(); ++i) inputs["image"].set(i, normal_value(3, 0, i));
  for (int64_t b = 0; b < batch; ++b)
    inputs["truth"].set(static_cast<size_t>(b), static_cast<double>(b % labels));
  return inputs;
}

struct ParallelCase {
  const char* name;
  Mesh mesh;
  std::vector<Pin> pins;
};

const std::vector<ParallelCase>& parallel_cases() {
  static const std::vector<ParallelCase> cases = {
      {"alone", Mesh{{{"data", 1}}}, {}},
      {"data2", Mesh{{{"data", 2}}}, {{"image", "batch", "data", {}}}},
      {"data3", Mesh{{{"data", 3}}}, {{"image", "batch", "data", {}}}},
      {"data4", Mesh{{{"data", 4}}}, {{"image", "batch", "data", {}}}},
      {"tensor2",
       Mesh{{{"model", 2}}},
       {{"w1", "hidden1", "model", {}}, {"w2", "hidden1", "model", {}}}},
      {"tensor3",
       Mesh{{{"model", 3}}},
       {{"w1", "hidden1", "model", {}}, {"w2", "hidden1", "model", {}}}},
      {"mixed",
       Mesh{{{"data", 2}, {"model", 2}}},
       {{"image", "batch", "data", {}},
        {"w1", "hidden1", "model", {}},
        {"w2", "hidden1", "model", {}}}},
      {"zero",
       Mesh{{{"data", 2}}},
       {{"image", "batch", "data", {}},
        {"w1", "pixel", "data", {}},
        {"w2", "hidden1", "data", {}}}},
  };
  return cases;
}

TEST(Training, SameLossesForEveryParallelismOver100Steps) {
  const Program step = normalize(mlp({24, 20, {14}, 7}, sgd(0.1, 0.9)));
  const Arrays inputs = mlp_inputs(24, 20, 7);
  const Arrays start = initial_state(step, 5);
  std::vector<double> wanted;
  Arrays state = start;
  for (int s = 0; s < 100; ++s) wanted.push_back(interpret(step, inputs, state).at("loss").get(0));
  EXPECT_LT(wanted.back(), 0.2 * wanted.front());
  for (const ParallelCase& c : parallel_cases()) {
    const Plan plan = manual_plan(step, c.mesh, c.pins);
    const RunRecord run = run_on_local_ranks(step, plan, inputs, start, 100);
    for (size_t s = 0; s < wanted.size(); ++s)
      ASSERT_NEAR(run.outputs[s].at("loss").get(0), wanted[s], 1e-4 * wanted[s])
          << c.name << " step " << s;
  }
}

TEST(Training, TwoRunsGiveTheSameBits) {
  const Program step = normalize(mlp({24, 20, {14}, 7}, adam({0.01})));
  const Arrays inputs = mlp_inputs(24, 20, 7);
  const Arrays start = initial_state(step, 5);
  for (const ParallelCase& c : parallel_cases()) {
    const Plan plan = manual_plan(step, c.mesh, c.pins);
    const RunRecord first = run_on_local_ranks(step, plan, inputs, start, 20);
    const RunRecord second = run_on_local_ranks(step, plan, inputs, start, 20);
    EXPECT_EQ(first.outputs, second.outputs) << c.name;
    EXPECT_EQ(first.state, second.state) << c.name;
  }
}

TEST(Executable, UpdatesThatReadEachOtherTakeOldValues) {
  Program p("swap");
  const Dim i("i", 5);
  const Tensor a = p.state("a", {i}, constant(1));
  const Tensor b = p.state("b", {i}, constant(2));
  p.update(a, b);
  p.update(b, a + 10);
  const Program normal = normalize(p);
  const RunRecord run = run_on_local_ranks(normal, default_plan(normal, Mesh{{{"data", 2}}}), {},
                                           initial_state(p, 0), 3);
  EXPECT_EQ(run.state.at("a").get(0), 12);
  EXPECT_EQ(run.state.at("b").get(4), 21);
}

TEST(Executable, AGatherOutsideItsTableEndsTheStepWithItsPlace) {
  Program p("gather");
  const Dim i("i", 3), v("v", 4);
  const Tensor table = p.input("table", {v});
  const Tensor at = p.input("at", {i}, DType::i32);
  p.output("y", table.at(v, at));
  const Program normal = normalize(p);
  Arrays inputs = {{"table", make_array(DType::f32, {4})}, {"at", make_array(DType::i32, {3})}};
  inputs["at"].set(1, 9);
  try {
    run_on_local_ranks(normal, default_plan(normal, Mesh{{{"data", 1}}}), inputs, {});
    FAIL() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("executable_test.cpp"));
    EXPECT_THAT(error.what(), HasSubstr("`table`"));
  }
}

// One rank reads outside; all end the step with its error, and go on with better data.
TEST(Executable, RunsOnAfterAGatherThatLedOutside) {
  const Program normal =
      normalize(parse("program p\ndim i = 6, v = 4\ninput at[i] : i32\nparam table[v] = 2.0\n"
                      "state steps = 0.0\ny = table[v: at]\ntotal = sum[i](y)\n"
                      "update steps = steps + total\noutput y[i]\noutput total\n"));
  for (int ranks = 1; ranks <= 3; ++ranks) {
    const Mesh mesh{{{"a", ranks}}};
    const Plan plan = manual_plan(normal, mesh, {{"at", "i", "a", {}}});
    run_local_ranks(ranks, {}, [&](Communicator& world) {
      Compiler compiler(CompilerOptions{.threads = 1, .worker_threads = 1});
      Executable step(normal, plan, compiler, world, {1, {}});
      const auto error_of_run = [&] {
        try {
          step.run();
        } catch (const UserError& error) {
          return std::string(error.what());
        }
        return std::string();
      };
      Array at = make_array(DType::i32, {6});
      step.initialize(1);
      for (int times = 0; times < 3; ++times) {
        at.set(5, 9);
        step.feed("at", at);
        EXPECT_THAT(
            error_of_run(),
            HasSubstr("is 9, at i = 5, where it reads `table` along `v`; allowed is 0 to 3"));
        EXPECT_THROW(step.output("y"), UserError);
        at.set(5, 3);
        step.feed("at", at);
        EXPECT_THAT(error_of_run(), HasSubstr("left no whole values of `steps`"));
        step.set_value("steps", make_array(DType::f32, {}));
        EXPECT_EQ(error_of_run(), "");
        EXPECT_EQ(step.output("total").get(0), 12);
        EXPECT_EQ(step.value("steps").get(0), 12);
      }
    });
  }
}

TEST(Executable, NamesAnUnknownInputAndAWrongShape) {
  Program p("feeds");
  const Dim i("i", 3);
  const Tensor x = p.input("picture", {i});
  p.output("y", x + 1);
  const Program normal = normalize(p);
  const Plan plan = default_plan(normal, Mesh{{{"data", 1}}});
  const auto feed = [&](const std::string& name, const Array& array) {
    try {
      run_on_local_ranks(normal, plan, {{name, array}}, {});
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(feed("pictur", make_array(DType::f32, {3})),
            "program `feeds` has no input `pictur`; it has picture (did you mean `picture`?)");
  EXPECT_EQ(feed("picture", make_array(DType::f32, {4})),
            "input `picture` was given f32[4]; it takes f32[3]");
}

// As high as a formula may be: every pass has stack for it, on the threads of ranks, too.
TEST(Executable, RunsTheHighestFormula) {
  Program p("high");
  const Dim i("i", 3);
  const Tensor w = p.parameter("w", {i}, constant(1));
  Expr e = w;
  while (e.node().height + 3 < kMaxNodeHeight) e = 0.5 * e + 1.0;
  const Tensor y = p.define("y", e);
  const Tensor loss = p.define("loss", sum(i, y));
  p.update(w, w - grad(loss, w));
  p.output("loss", loss);
  const Program normal = normalize(p);
  const Arrays state = {{"w", make_array(DType::f32, {3})}};
  const Plan plan = default_plan(normal, Mesh{{{"a", 2}}});
  EXPECT_EQ(run_on_local_ranks(normal, plan, {}, state).outputs[0].at("loss").get(0), 6);
}

TEST(Executable, RefusesAFeedWithoutEnoughData) {
  Program p("feeds");
  const Dim i("i", 3);
  p.output("y", p.input("x", {i}) + 1);
  const Program normal = normalize(p);
  const Array torn{DType::f32, {3}, std::vector<std::byte>(4)};
  try {
    run_on_local_ranks(normal, default_plan(normal, Mesh{{{"data", 1}}}), {{"x", torn}}, {});
    FAIL() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "input `x` was given f32[3] with 4 bytes of data; it takes 12 "
                 "(make_array makes an array of the right size)");
  }
}

TEST(Executable, RunsNothingThatHasNoValues) {
  const Program normal =
      normalize(parse("program p\ndim a = 6\ninput x[a]\nparam w[a] = 0.5\nstate s = 1.0\n"
                      "y = sum[a](x * w)\nupdate s = s + y\noutput y\n"));
  auto world = std::move(make_local_group(1).front());
  Compiler compiler(CompilerOptions{.threads = 1, .worker_threads = 1});
  Executable step(normal, default_plan(normal, Mesh{}), compiler, *world, {1, {}});
  const auto error_of = [&](const auto& call) {
    try {
      call();
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto run = [&] { step.run(); };
  const auto output = [&] { step.output("y"); };
  EXPECT_EQ(
      error_of(run),
      "program `p`: nothing was fed to `x` (<text>:3:7): call feed(name, array) before run(); "
      "there are no values of `w` (<text>:4:7), `s` (<text>:5:7): call initialize(seed), or "
      "set_value(name, array)");
  step.initialize(1);
  EXPECT_THAT(error_of(run), HasSubstr("nothing was fed to `x`"));
  EXPECT_THAT(error_of(output), HasSubstr("output `y` of program `p` is not there"));
  step.feed("x", make_array(DType::f32, {6}));
  EXPECT_EQ(error_of(run), "");
  EXPECT_EQ(error_of(output), "");
}

}  // namespace
}  // namespace tessera
