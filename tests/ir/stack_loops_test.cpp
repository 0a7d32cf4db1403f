#include "ir/stack_loops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/interpret.h"
#include "ir/nest.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/sequence.h"
#include "ir/structure.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

Program stacked(const std::string& text) {
  return stack_loops(normalize(parse(text)));
}

TEST(StackLoops, PutsTheDimsThatLoopsIterateFirst) {
  const Program program = stacked(R"(program p
dim k = 3, t = 4
input x[k, t]
carry s over t = 0.0 * x[t: 0]
next = s + x
update s = next
output next[k, t]
)");
  EXPECT_THAT(print(program), HasSubstr("carry s[t, k] over t = s_first\n"));
  EXPECT_THAT(print(program), HasSubstr("next[t, k] = s + x\n"));
  EXPECT_THAT(print(program), HasSubstr("output next[k, t]\n"));
}

TEST(StackLoops, TakesACarriedTensorThatNothingIteratesForADefinition) {
  const Program program = stacked(R"(program p
dim t = 4
input x[t]
carry before over t = 0.0
update before = x
output before
)");
  EXPECT_TRUE(program.carries().empty()) << print(program);
  EXPECT_EQ(program.get("before").role(), Role::definition);
}

TEST(StackLoops, BeginsWithADefinitionThatIsThereAlready) {
  const Program program = stacked(R"(program p
dim k = 3
input x[k]
y = x * x
loop i = 2 carry s = y { s = s * y }
output s
)");
  for (const Tensor& tensor : program.tensors())
    if (tensor.role() == Role::carried) {
      EXPECT_EQ(tensors_read(tensor.value())[0].name(), "y");
    }
}

// The form holds whatever the program, and means the same.
TEST(StackLoops, KeepsRandomPrograms) {
  RandomProgramOptions options;
  options.loops = true;
  options.definitions = 3;
  options.max_volume = 256;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    options.gradients = seed % 3 == 0;
    const Program normal = normalize(random_program(seed, options));
    const Program program = stack_loops(normal);
    ASSERT_TRUE(is_normal(program)) << print(program);
    for (const auto& [tensor, loops] : loops_around(sequence_of(program))) {
      const Dims first(tensor.dims().begin(),
                       tensor.dims().begin() + static_cast<std::ptrdiff_t>(loops.size()));
      EXPECT_EQ(first, loops) << seed << " " << tensor.name();
    }
    for (const Update& carry : program.carries())
      EXPECT_EQ(carry.target.dims(), carry.value.dims()) << seed << " " << carry.target.name();
    const Arrays inputs = random_inputs(normal, seed);
    Arrays state = initial_state(normal, seed), wanted_state = state;
    const Arrays wanted = interpret(normal, inputs, wanted_state);
    EXPECT_EQ(interpret(program, inputs, state), wanted) << seed << print(program);
    EXPECT_EQ(state, wanted_state) << seed;
  }
}

// What is computed for all iterations before a loop lies so that each finds its part in one piece.
TEST(StackLoops, PutsFirstWhatIterationsStepThrough) {
  const Program stacked = stack_loops(normalize(parse(R"(program recurrent
dim time = 5, n = 3, d = 4, h = 2
input x[time, n, d]
input w[d, h]
loop t over time carry s[n, h] = 0.0 { s = tanh(s + sum[d](x[time: t] * w)) }
output s
)")));
  for (const Tensor& tensor : stacked.definitions())
    if (as<Reduce>(tensor.value()) != nullptr)
      EXPECT_EQ(tensor.dims()[0].extent(), 5) << print(stacked);
}

}  // namespace
}  // namespace tessera
