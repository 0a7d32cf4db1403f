#include "partition/stacks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "partition/manual_plan.h"
#include "tests/partition/cases.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

ShardedProgram lowered(const std::string& text, const std::string& mesh = "a=1") {
  const Program program = stack_loops(normalize(parse(text)));
  return lower(program, manual_plan(program, parse_mesh(mesh), {}), 0);
}

Stack stack_of(const ShardedProgram& program, const std::string& name) {
  for (const auto& [tensor, stack] : stacks_of(program))
    if (tensor.name() == name) return stack;
  throw InternalError("no loop computes " + name);
}

const char* const kLast = R"(program last
dim k = 3
input x[k]
loop i = 100 carry s = x {
  half = 0.5 * s
  s = sum[k](half * x) + half
}
output s
)";

// 100 iterations need no more memory than 2.
TEST(Stacks, KeepTwoPartsOfWhatIsCarriedWhenOnlyTheLastIsRead) {
  const ShardedProgram program = lowered(kLast);
  const Stack next = stack_of(program, "s_next");
  EXPECT_EQ(next.slots, std::vector<int64_t>{2});
  EXPECT_EQ(next.home, 0u);
  EXPECT_EQ(stack_of(program, "half").slots, std::vector<int64_t>{1});
  EXPECT_EQ(stack_of(program, "half").home, 1u);  // nobody outside of an iteration reads it
}

TEST(Stacks, KeepAllPartsThatAreCollected) {
  const ShardedProgram program = lowered(R"(program every
dim k = 3, t = 5
input x[k, t]
loop i over t carry s = 0.0 * x[t: 0] collect every {
  s = s + x[t: i]
  every = s * s
}
output every[t, k]
)");
  EXPECT_EQ(stack_of(program, "s_next").slots, std::vector<int64_t>{6});
  EXPECT_EQ(stack_of(program, "s_next").home, 0u);
}

TEST(Stacks, ShareMemoryBetweenIterationsAndWhatTheyLeave) {
  const ShardedProgram program = lowered(R"(program gradient
dim k = 3, t = 5
input x[k, t]
param w[k] = 0.5
loop i over t carry s = 0.0 * x[t: 0] { s = tanh(s * w + x[t: i]) }
loss = sum[k](s)
update w = w - grad(loss, w)
output loss
)");
  const Stack next = stack_of(program, "s_next");
  EXPECT_EQ(next.slots, std::vector<int64_t>{6});  // the gradient reads them all
  EXPECT_EQ(next.first, 1);
  const Stack carried = stack_of(program, "s_so_far");
  ASSERT_TRUE(carried.inside.has_value());
  EXPECT_EQ(carried.inside->name(), "s_next");
  EXPECT_EQ(carried.first, 0);
}

TEST(Stacks, FindPlacesThatMove) {
  const Dim t("t", 5), k("k", 3);
  const Tensor next = make_tensor("next", {t, k}, DType::f32, Role::input);
  std::map<Tensor, Stack> stacks;
  stacks[next] = {{2}, 0, 1, std::nullopt, 0};
  const StackPlace moving = place_of({next, {{0, 0}}, {0}}, stacks);
  EXPECT_EQ(moving.at({0}), 3);
  EXPECT_EQ(moving.at({1}), 0);
  EXPECT_EQ(moving.at({2}), 3);
  const StackPlace last = place_of({next, {{-1, 4}}, {}}, stacks);
  EXPECT_TRUE(last.moves.empty());
  EXPECT_EQ(last.offset, 3);
}

TEST(Loops, ArePrintedWithWhatTheyCarry) {
  const std::string text = print(lowered(kLast, "a=2"));
  EXPECT_THAT(text, HasSubstr("loop i up to 99 carry s_so_far[i, k] = x then s_next {\n"));
}

TEST(Loops, CountTheBytesOfAllIterations) {
  const Program program = stack_loops(normalize(parse(kLast)));
  const Plan plan = manual_plan(program, parse_mesh("a=3"), {{"x", "k", "a", {}}});
  const std::map<std::string, Traffic> traffic = bytes_by_collective(lower(program, plan, 0));
  int64_t count = 0;
  for (const auto& [kind, one] : traffic) count += one.count;
  EXPECT_GE(count, 100);
}

TEST(Loops, RefuseAPinOfWhatTheyIterate) {
  const Program program = stack_loops(normalize(parse(R"(program pinned
dim k = 3, t = 5
input x[k, t]
carry s over t = 0.0 * x[t: 0]
update s = 0.5 * s + x
total = sum[t](s)
output total
pin s[t: a]
)")));
  try {
    verify_pins(program.pins(), program, parse_mesh("a=2"));
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("pin: a loop iterates dim `t` of `s`, so no mesh axis can "
                                        "have it; pin k"));
  }
}

}  // namespace
}  // namespace tessera
