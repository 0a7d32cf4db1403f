#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "partition/manual_plan.h"
#include "tests/partition/cases.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// Ways to share work that have names, each from pins alone: the result is the interpreter's, and a
// rank moves what the closed form says. `g` ranks; a ring moves (g - 1) / g of a tensor to gather
// or to scatter it, and twice that to reduce it everywhere. Data, tensor and fully sharded
// parallelism are in lower_test.cpp, space in halo_test.cpp, rings and Cannon's product in
// turning_test.cpp.
using Moved = std::map<std::string, Traffic>;

Moved moved_by(const Case& one, const std::string& mesh, const std::vector<Pin>& pins) {
  const Plan plan = manual_plan(one.program, parse_mesh(mesh), pins);
  one.check(plan);
  return bytes_by_collective(lower(one.program, plan, plan.mesh.ranks() - 1));
}

constexpr int64_t kFloat = 4;

// Activations lie in parts along the sequence between layers, and along `hidden` within them.
TEST(Strategies, SequenceParallel) {
  const Case one = case_of(R"(program layer
dim s = 8, d = 4, h = 32, e = 4
input x[s, d]
param u[d, h] = normal(0, 0.5)
param v[h, d] = normal(0, 0.5)
hidden = tanh(sum[d](x * u))
back = sum[h](hidden * v)
y = tanh(x + back)
output y[s, d]
)");
  const int64_t g = 2;
  Plan plan = manual_plan(
      one.program, parse_mesh("m=2"),
      {{"x", "s", "m", {}}, {"u", "h", "m", {}}, {"v", "h", "m", {}}, {"y", "s", "m", {}}});
  plan.outputs[0].stored.split[0] = {0};
  one.check(plan);
  const Traffic part{1, 8 * 4 * (g - 1) / g * kFloat};
  EXPECT_THAT(bytes_by_collective(lower(one.program, plan, 0)),
              ElementsAre(Pair("all-gather", part), Pair("reduce-scatter", part)));
}

// Each rank looks up the words that it has, and has their scores; what is compared and summed over
// words is one number a position.
TEST(Strategies, VocabularyParallel) {
  const Case one = case_of(R"(program words
dim b = 6, v = 12, d = 5
input token[b] : i32
input truth[b] : i32
param table[v, d] = normal(0, 0.5)
x = table[v: token]
score = sum[d](x * table)
top = max[v](score)
total = sum[v](exp(score - top))
right = score[v: truth]
loss = mean[b](log(total) + top - right)
output loss
)");
  const int64_t g = 3, scale = 2 * (g - 1);
  // x, the largest scores, their sums, and the scores of the truth.
  EXPECT_THAT(moved_by(one, "m=3", {{"table", "v", "m", {}}}),
              ElementsAre(Pair("all-reduce", (Traffic{4, scale * (6 * 5 + 3 * 6) / g * kFloat}))));
}

// Heads are computed apart, and added up behind the last product.
TEST(Strategies, HeadParallel) {
  const Case one = case_of(R"(program attention
dim t = 4, s = 4, d = 6, e = 6, head = 4, k = 3
input x[t, d]
param wq[d, head, k] = normal(0, 0.5)
param wk[d, head, k] = normal(0, 0.5)
param wv[d, head, k] = normal(0, 0.5)
param wo[head, k, e] = normal(0, 0.5)
q = sum[d](x * wq)
key = sum[d](x[t: s] * wk)
value = sum[d](x[t: s] * wv)
score = exp(sum[k](q * key))
mix = sum[s](score * value) / sum[s](score)
y = sum[head, k](mix * wo)
output y[t, e]
)");
  std::vector<Pin> pins;
  for (const char* w : {"wq", "wk", "wv", "wo"}) pins.push_back({w, "head", "m", {}});
  for (const int g : {2, 4})
    EXPECT_THAT(moved_by(one, "m=" + std::to_string(g), pins),
                ElementsAre(Pair("all-reduce", (Traffic{1, 2 * (g - 1) * 4 * 6 / g * kFloat}))));
}

// Each rank has some experts and computes them for all positions.
TEST(Strategies, ExpertParallel) {
  const Case one = case_of(R"(program experts
dim t = 9, d = 4, expert = 6, h = 5
input x[t, d]
input gate[t, expert]
param u[expert, d, h] = normal(0, 0.5)
param v[expert, h, d] = normal(0, 0.5)
hidden = tanh(sum[d](x * u))
y = sum[expert, h](gate * hidden * v)
output y[t, d]
)");
  const int64_t g = 3;
  EXPECT_THAT(
      moved_by(one, "m=3",
               {{"u", "expert", "m", {}}, {"v", "expert", "m", {}}, {"gate", "expert", "m", {}}}),
      ElementsAre(Pair("all-reduce", (Traffic{1, 2 * (g - 1) * 9 * 4 / g * kFloat}))));
}

// Parameters are whole where they are used; Adam's moments are in parts, and so is its work.
TEST(Strategies, ShardedOptimizer) {
  const Case one = case_of(R"(program adam
dim b = 8, d = 6, h = 4
input x[b, d]
param w[d, h] = normal(0, 0.5)
state m[d, h] = 0.0
state s[d, h] = 0.0
y = sum[d](x * w)
loss = mean[b, h](y * y)
g = grad(loss, w)
first = 0.9 * m + 0.1 * g
second = 0.99 * s + 0.01 * g * g
step = first / (sqrt(second) + 0.001)
update m = first
update s = second
update w = w - 0.01 * step
output loss
)");
  const int64_t g = 2, w = 6 * 4 * kFloat;
  EXPECT_THAT(moved_by(one, "data=2",
                       {{"x", "b", "data", {}}, {"m", "d", "data", {}}, {"s", "d", "data", {}}}),
              ElementsAre(Pair("all-gather", (Traffic{1, w * (g - 1) / g})),
                          Pair("all-reduce", (Traffic{1, 2 * (g - 1) / g * kFloat + kFloat})),
                          Pair("reduce-scatter", (Traffic{1, w * (g - 1) / g}))));
}

// Blocks of both operands are gathered along rows and columns of ranks.
TEST(Strategies, ProductInTwoDimensions) {
  const Case one = case_of(R"(program product
dim i = 12, j = 6, k = 24
input x[i, k]
input w[k, j]
y = sum[k](x * w)
output y[i, j]
)");
  Plan plan = manual_plan(one.program, parse_mesh("a=2,b=2"),
                          {{"x", "i", "a", {}},
                           {"x", "k", "b", {}},
                           {"w", "k", "a", {}},
                           {"w", "j", "b", {}},
                           {"y", "i", "a", {}},
                           {"y", "j", "b", {}}});
  plan.outputs[0].stored.split = {{0}, {1}};
  one.check(plan);
  EXPECT_THAT(bytes_by_collective(lower(one.program, plan, 3)),
              ElementsAre(Pair("all-gather", (Traffic{2, (6 * 12 + 12 * 3) * kFloat}))));
}

}  // namespace
}  // namespace tessera
