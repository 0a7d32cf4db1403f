#include "partition/turning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "partition/linear.h"
#include "partition/manual_plan.h"
#include "tests/partition/cases.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

const char kProduct[] = R"(program product
dim i = 12, j = 6, k = 24
input x[i, k]
input w[k, j]
y = sum[k](x * w)
output y[i, j]
)";

std::vector<std::string> turns_of(const std::string& text, const std::string& name) {
  const Program program = normalize(parse(text));
  std::vector<std::string> found;
  const NestRules rules(nest_of(program.get(name)));
  for (const Choice& choice : rules.turns()) found.push_back(describe(choice));
  return found;
}

// Everything as `kept` says, y computed by `choices`.
Plan product_plan(const Program& program, const std::string& mesh,
                  const std::vector<std::string>& choices, const std::vector<Pin>& kept) {
  Plan plan = manual_plan(program, parse_mesh(mesh), kept);
  plan.held.clear();
  Assignment& assignment = plan.nests[0].assignment;
  for (size_t axis = 0; axis < choices.size(); ++axis)
    assignment.axes[axis] = parse_choice(choices[axis]);
  const NestRules rules(nest_of(program.get("y")));
  plan.outputs[0].stored = rules.result_sharding(assignment);
  plan.outputs[0].stored.partial.clear();
  return plan;
}

TEST(Turning, IsFoundWhereALoopIsReadAtItsOwnDim) {
  EXPECT_THAT(turns_of(kProduct, "y"), ElementsAre("i turning k", "j turning k"));
  const char text[] = R"(program p
dim i = 4, j = 5, k = 6, h = 8
input x[i, k]
input w[h, j]
input b[i, j]
shifted = sum[k](x * w[h: k + 1])
largest = max[k](x * b)
map = x * 2
output shifted[i, j]
output largest[i, j]
output map[i, k]
)";
  EXPECT_THAT(turns_of(text, "shifted"), IsEmpty());                   // k reads a part of h
  EXPECT_THAT(turns_of(text, "largest"), ElementsAre("j turning k"));  // x goes around
  EXPECT_THAT(turns_of(text, "map"), IsEmpty());
}

// Each rank holds a block of w along k and passes it on; nothing is gathered.
TEST(Turning, SendsOneBlockAroundTheRing) {
  const Case one = case_of(kProduct);
  for (const int ranks : {2, 3, 4}) {
    const Plan plan = product_plan(one.program, "a=" + std::to_string(ranks), {"i turning k"},
                                   {{"x", "i", "a", {}}, {"w", "k", "a", {}}});
    one.check(plan);
    const ShardedProgram local = lower(one.program, plan, ranks - 1);
    EXPECT_THAT(bytes_by_collective(local),
                ElementsAre(Pair("halo", (Traffic{ranks - 1, (ranks - 1) * 24 / ranks * 6 * 4}))))
        << print(local);
  }
}

// On p x p ranks: both operands are brought to the first block, then go around p - 1 times.
TEST(Turning, IsCannonsProductOnTwoAxes) {
  const Case one = case_of(kProduct);
  for (const int p : {2, 3}) {
    const std::string mesh = "a=" + std::to_string(p) + ",b=" + std::to_string(p);
    const Plan plan = product_plan(
        one.program, mesh, {"i turning k", "j turning k"},
        {{"x", "i", "a", {}}, {"x", "k", "b", {}}, {"w", "k", "a", {}}, {"w", "j", "b", {}}});
    one.check(plan);
    const int64_t x = 12 / p * 24 / p * 4, w = 24 / p * 6 / p * 4;
    const ShardedProgram local = lower(one.program, plan, p * p - 1);
    EXPECT_THAT(bytes_by_collective(local),
                ElementsAre(Pair("halo", (Traffic{2 * (p - 1), (p - 1) * (x + w)})),
                            Pair("window", (Traffic{2, x + w}))))
        << print(local);
  }
}

// The reduced index is split over a third axis besides; what each layer has is added up.
TEST(Turning, IsATwoAndAHalfDimensionalProductWithAThirdAxis) {
  const Case one = case_of(kProduct);
  Plan plan = product_plan(one.program, "a=2,b=2,c=2", {"i turning k", "j turning k", "k"},
                           {{"x", "i", "a", {}}, {"w", "j", "b", {}}});
  for (StorageDecision& stored : plan.stored) {
    if (stored.tensor == "x") stored.stored.split = {{0}, {2, 1}};
    if (stored.tensor == "w") stored.stored.split = {{2, 0}, {1}};
  }
  one.check(plan);
  const int64_t x = 6 * 6 * 4, w = 6 * 3 * 4, y = 6 * 3 * 4;
  EXPECT_THAT(bytes_by_collective(lower(one.program, plan, 7)),
              ElementsAre(Pair("all-reduce", (Traffic{1, y})), Pair("halo", (Traffic{2, x + w})),
                          Pair("window", (Traffic{2, x + w}))));
}

const char* const kPrograms[] = {kProduct,
                                 R"(program others
dim i = 5, j = 7, k = 11, b = 3
input x[b, i, k]
input w[k, j]
input n[k, j] : i32
shortest = min[k](x + w)
some = any[k](x > w and k > 3)
causal = sum[k](where(k <= i, x * w, 0))
product = prod[k](x * 0.1 + w)
largest = max[k](n * i32(b + k))
output shortest[b, i, j]
output some[j, i, b]
output causal[b, i, j]
output product[b, i, j]
output largest[b, j]
)",
                                 R"(program training
dim batch = 6, pixel = 5, hidden = 7
input image[batch, pixel]
param w[pixel, hidden] = normal(0, 0.5)
param v[hidden, pixel] = normal(0, 0.5)
h = tanh(sum[pixel](image * w))
back = sum[hidden](h * v)
loss = mean[batch, pixel]((back - image) * (back - image))
update w = w - 0.1 * grad(loss, w)
update v = v - 0.1 * grad(loss, v)
output loss
)"};

TEST(Turning, AgreesWithTheInterpreterInAnyPlan) {
  RandomSource random(21);
  int turned = 0;
  for (const char* text : kPrograms) {
    const Case one = case_of(text);
    for (const char* mesh_text : {"a=2", "a=3", "a=8", "a=2,b=2", "a=2,b=3", "a=2,b=2,c=2"})
      for (int trial = 0; trial < 12; ++trial) {
        const Mesh mesh = parse_mesh(mesh_text);
        Plan plan = random_plan(one.program, mesh, random);
        for (NestDecision& nest : plan.nests) {
          const NestRules rules(nest_of(one.program.get(nest.nest)));
          if (rules.turns().empty()) continue;
          const auto any = [&]() {
            return rules
                .turns()[static_cast<size_t>(random.below(static_cast<int>(rules.turns().size())))];
          };
          const Choice first = any(), second = any();
          nest.assignment.axes[0] = first;
          ++turned;
          if (mesh.count() > 1 && mesh.size(0) == mesh.size(1) && second.turning == first.turning)
            nest.assignment.axes[1] = second;
        }
        one.check(plan);
        if (HasFatalFailure()) return;
      }
  }
  EXPECT_GT(turned, 500);
}

TEST(Turning, IsRefusedWhereAxesDiffer) {
  const Program program = normalize(parse(kProduct));
  const auto message = [&](const char* mesh, const std::vector<std::string>& choices) {
    Plan plan = default_plan(program, parse_mesh(mesh));
    for (size_t axis = 0; axis < choices.size(); ++axis)
      plan.nests[0].assignment.axes[axis] = parse_choice(choices[axis]);
    try {
      verify(plan, program);
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message("a=2,b=2", {"i turning k", "j turning k"}), "");
  EXPECT_THAT(message("a=2,b=3", {"i turning k", "j turning k"}),
              HasSubstr("nest `y` turns `k` on axes of 2 and 3 ranks; they must be of one size"));
  EXPECT_THAT(message("a=2", {"k turning i"}), HasSubstr("nest `y` cannot take `k turning i`"));
}

const char kMaxima[] = R"(program maxima
dim i = 6, j = 5, k = 12
input x[i, k]
input y[i, k]
input b[i]
m = max[k](x)
n = max[k](y)
low = min[k](x)
moved = exp(0.5 * m - b)
larger = max(m, n) + b
both = m + n
mixed = m * b
top = max[i](m + b)
bottom = min[i](min(low, b))
wrong = max[i](low + b)
output moved[i]
output larger[i]
output both[i]
output mixed[i]
output top
output bottom
output wrong
)";

TEST(Rising, PassesOnPartialMaxima) {
  const auto passes = [](const char* name) {
    const Program program = normalize(parse(kMaxima));
    std::vector<std::string> found;
    const NestRules rules(nest_of(program.get(name)));
    for (const Choice& choice : rules.choices())
      if (choice.kind == Choice::Kind::pass) found.push_back(describe(choice));
    return found;
  };
  EXPECT_THAT(passes("moved"), ElementsAre("pass max of m"));
  EXPECT_THAT(passes("larger"), ElementsAre("pass max of m", "pass max of n", "pass max of m, n"));
  EXPECT_THAT(passes("both"), ElementsAre("pass max of m", "pass max of n"));
  EXPECT_THAT(passes("mixed"), IsEmpty());  // b may be negative
  EXPECT_THAT(passes("top"), ElementsAre("pass max of m"));
  EXPECT_THAT(passes("bottom"), ElementsAre("pass min of low"));
  EXPECT_THAT(passes("wrong"), IsEmpty());
  for (const char* text : {"pass max of m", "pass min of low, x", "i turning k"})
    EXPECT_EQ(describe(parse_choice(text)), text);
}

// Ranks compare after the maximum over i, one number instead of six; some have no part of k.
TEST(Rising, ComparesLater) {
  const Case one = case_of(kMaxima);
  Plan plan = default_plan(one.program, parse_mesh("a=16"));
  for (NestDecision& nest : plan.nests) {
    if (nest.nest == "m") nest.assignment.axes[0] = parse_choice("k");
    if (nest.nest == "top" || nest.nest == "moved")
      nest.assignment.axes[0] = parse_choice("pass max of m");
  }
  one.check(plan);
  const auto traffic = bytes_by_collective(lower(one.program, plan, 0));
  EXPECT_EQ(traffic.count("all-reduce"), 1U);
  RandomSource random(22);
  for (const char* mesh : {"a=2", "a=3", "a=2,b=2", "a=16"})
    for (int trial = 0; trial < 25; ++trial) {
      one.check(random_plan(one.program, parse_mesh(mesh), random));
      if (HasFatalFailure()) return;
    }
}

}  // namespace
}  // namespace tessera
