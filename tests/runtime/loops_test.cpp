#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "ir/stack_loops.h"
#include "partition/manual_plan.h"
#include "tests/runtime/close.h"
#include "tests/runtime/run_ranks.h"

namespace tessera {
namespace {

void agree_with_the_interpreter(const std::string& text, const std::string& mesh,
                                const std::vector<Pin>& pins, double tolerance = 1e-4) {
  const Program source = parse(text);
  const Program program = stack_loops(normalize(source));
  const Arrays inputs = random_inputs(source, 3);
  Arrays state = initial_state(source, 3);
  const Arrays start = state;
  const Arrays wanted = interpret(source, inputs, state);
  const Plan plan = manual_plan(program, parse_mesh(mesh), pins);
  const RunRecord run = run_on_local_ranks(program, plan, inputs, start);
  for (const auto& [name, array] : wanted)
    expect_close(run.outputs[0].at(name), array, tolerance, mesh + " " + name);
  for (const auto& [name, array] : state)
    expect_close(run.state.at(name), array, tolerance, mesh + " " + name);
}

// A collective in each of many short iterations: a stream is often an iteration ahead of the other.
TEST(Loops, LetStreamsMeetAfterEveryIteration) {
  const char* const text = R"(program many
dim k = 6
input x[k]
loop i = 300 carry s = x { s = 0.9 * x + 0.01 * sum[k](s * x) }
output s
)";
  for (const char* mesh : {"a=1", "a=2", "a=3"})
    agree_with_the_interpreter(text, mesh, {{"x", "k", "a", {}}});
}

TEST(Loops, TakeGradientsThroughManyIterations) {
  const char* const text = R"(program train
dim batch = 4, time = 40, a = 3, h = 6, g = 6
input x[batch, time, a]
param wi[a, h] = normal(0, 0.5)
param wh[g, h] = normal(0, 0.3)
loop t over time carry s = 0.0 * wh[g: 0] collect every {
  s = tanh(sum[a](x[time: t] * wi) + sum[g](s[h: g] * wh))
  every = s
}
loss = sum[batch, time, h](every * every)
update wi = wi - 0.01 * grad(loss, wi)
update wh = wh - 0.01 * grad(loss, wh)
output loss
)";
  agree_with_the_interpreter(text, "a=1", {});
  agree_with_the_interpreter(text, "a=2", {{"x", "batch", "a", {}}});
  agree_with_the_interpreter(text, "a=2", {{"wh", "h", "a", {}}});
  agree_with_the_interpreter(text, "a=2,b=2", {{"x", "batch", "a", {}}, {"wi", "h", "b", {}}});
}

// The condition does not depend on the count; each would be a loop of its own, and the second would
// ask for all iterations of the first.
TEST(Loops, EndWithAllThatTheirConditionHolds) {
  const auto text = [](int most) {
    return "program count\ndim k = 6\ninput x[k]\nloop i = " + std::to_string(most) +
           R"( while max[k](abs(s)) > 0.001 carry s = x, n = 0, squares = 0.0 {
  s = 0.5 * s
  n = n + 1
  squares = squares + sum[k](s * s)
}
output s
output n
output squares
)";
  };
  for (const char* mesh : {"a=1", "a=2", "a=3"})
    agree_with_the_interpreter(text(40), mesh, {{"x", "k", "a", {}}});
  const Program program = stack_loops(normalize(parse(text(2000000000))));
  for (int ranks = 1; ranks <= 2; ++ranks) {
    const Plan plan = manual_plan(program, Mesh{{{"a", ranks}}}, {{"x", "k", "a", {}}});
    Arrays inputs = {{"x", make_array(DType::f32, {6})}};
    inputs["x"].set(3, 1);
    const RunRecord run = run_on_local_ranks(program, plan, inputs, {});
    EXPECT_EQ(run.outputs[0].at("n").get(0), 10);
  }
}

TEST(Loops, LeaveOutOfALoopWhatReadsAllOfItsIterations) {
  agree_with_the_interpreter(R"(program split
dim k = 6, i = 9
input x[k]
carry going over i = true
carry s over i = x
carry n over i = 0.0
going_next = going and max[k](s) > 0.2
s_next = where(going_next, 0.5 * s, s)
most = max[i, k](s_next)
n_next = where(going_next, n + most, n)
update going = going_next
update s = s_next
update n = n_next
last = n_next[i: 8]
output last
)",
                             "a=1", {});
}

TEST(Loops, RunInsideOneAnother) {
  const char* const text = R"(program nested
dim n = 4, k = 5
input x[n, k]
loop i = 7 carry u = x, v = 1.0 {
  loop j over k carry w = u[k: 0] { w = 0.5 * w + u[k: j] * x[k: j] * v }
  u = u[k: k - 1 pad 0] + 0.1 * w
  v = v * 0.5 + 0.1 * f32(i)
}
output u[n, k]
output v
)";
  agree_with_the_interpreter(text, "a=1", {});
  agree_with_the_interpreter(text, "a=2", {{"x", "n", "a", {}}});
}

TEST(Loops, OfNoIterationsGiveWhatTheyBeginWith) {
  agree_with_the_interpreter(R"(program none
dim k = 3
input x[k]
loop i = 0 carry s = x { s = s * 2.0 }
output s
)",
                             "a=2", {{"x", "k", "a", {}}});
}

// Iterations read earlier ones' values of what they compute, further back than what is carried.
TEST(Loops, ReadWhatEarlierIterationsComputed) {
  agree_with_the_interpreter(R"(program back
dim t = 9, k = 4
input x[t, k]
carry s over t = 0.0 * x[t: 0]
y = 0.5 * s + x
z = y + 0.25 * y[t: t - 2 pad 1]
update s = z
output z
)",
                             "a=2", {{"x", "k", "a", {}}});
}

// Newton's method for square roots, for which two billion iterations are allowed.
const char* const kUntilItHolds = R"(program until
dim k = 7
input x[k]
a = 1.0 + abs(x)
loop i = 2000000000 while gap > 1e-5 carry root = 1.0, gap = 1.0 {
  root = (root + a / root) / 2
  gap = abs(root * root - a)
}
output root
)";

TEST(Loops, EndWhenTheirConditionFails) {
  const Program source = parse(kUntilItHolds);
  const Program program = stack_loops(normalize(source));
  const Arrays inputs = random_inputs(source, 3);
  for (const char* mesh : {"a=1", "a=2", "a=3"}) {
    const Plan plan = manual_plan(program, parse_mesh(mesh), {{"x", "k", "a", {}}});
    const RunRecord run = run_on_local_ranks(program, plan, inputs, {});
    const Array& root = run.outputs[0].at("root");
    for (size_t i = 0; i < root.size(); ++i)
      EXPECT_NEAR(root.get(i), std::sqrt(1 + std::fabs(inputs.at("x").get(i))), 1e-4) << mesh;
  }
}

TEST(Loops, RunOnWhereGradientsReadTheirIterations) {
  const char* const text = R"(program learns
dim k = 3
param w[k] = 2.0
loop i = 9 while gap > 0.01 carry root = 1.0, gap = 1.0 {
  root = (root + w / root) / 2
  gap = abs(root * root - w)
}
loss = sum[k](root)
update w = w - 0.1 * grad(loss, w)
output loss
)";
  agree_with_the_interpreter(text, "a=1", {});
  agree_with_the_interpreter(text, "a=2", {{"w", "k", "a", {}}});
}

// 10,000 iterations take the memory of two.
TEST(Loops, TakeNoMemoryForWhatNobodyReads) {
  const Program program = stack_loops(normalize(parse(R"(program long
dim k = 1000
input x[k]
loop i = 10000 carry s = x { s = s * 0.5 + x }
output s
)")));
  const Plan plan = manual_plan(program, parse_mesh("a=1"), {});
  EXPECT_LT(build_task_graph(lower(program, plan, 0)).arena_bytes, 6 * 4096u);
}

// Derivatives within an iteration, and through the loop that holds them.
TEST(Loops, DescendWithinTheirIterations) {
  const char* const text = R"(program forces
dim body = 6, other = 6, axis = 2
input start[body, axis]
param mass[body] = uniform(1, 2)
loop step = 8 carry place = start, speed = 0.0 * start {
  away = place - place[body: other]
  energy = sum[body, other](mass * mass[body: other] * exp(-sum[axis](away * away)))
  speed = speed - 0.1 * grad(energy, place) / mass
  place = place + 0.2 * speed
}
loss = sum[body, axis](place * place)
update mass = mass - 0.01 * grad(loss, mass)
output place
output loss
)";
  for (const char* mesh : {"a=1", "a=2", "a=3"})
    agree_with_the_interpreter(text, mesh, {{"start", "body", "a", {}}});
}

TEST(Loops, ReturnWhatTheyCarryUnderSeveralNames) {
  const char* const text = R"(program names
dim t = 5, k = 6
input x[t, k]
carry total over t = 0.0 * x[t: 0]
sums = total + x
update total = sums
output total
output again = total
output sums
)";
  for (const char* mesh : {"a=1", "a=2", "a=3"})
    agree_with_the_interpreter(text, mesh, {{"x", "k", "a", {}}});
}

// As the reference's running mean does: what is stored is returned as it was before the step.
TEST(Outputs, OfWhatIsFedOrStoredAreThatOfBeforeTheStep) {
  const char* const text = R"(program stored
dim k = 7, j = 4
input x[k, j]
param w[j, k] = normal(0, 1)
state m[k]
state steps : i64 = 3
y = sum[j](x * w)
update w = w + x
update m = m + y
update steps = steps + 1
output x
output w[k, j]
output same[j, k] = w
output m
output steps
)";
  for (const char* mesh : {"a=1", "a=2", "a=3"}) {
    agree_with_the_interpreter(text, mesh, {{"w", "k", "a", {}}});
    agree_with_the_interpreter(text, mesh, {{"w", "j", "a", {}}, {"m", "k", "a", {}}});
  }
}

}  // namespace
}  // namespace tessera
