#include "ir/normalize.h"

#include <gtest/gtest.h>

#include "ir/interpret.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"

namespace tessera {
namespace {

TEST(Normalize, AnOutputMayBeAnInputAParameterOrAState) {
  const Program program = parse(
      "program p\ndim n = 3\ninput x[n]\nparam w[n] = 0.5\nstate s : i64 = 7\n"
      "update w = w + x\noutput x\noutput w\noutput again[n] = w\noutput s\n");
  const Program normal = normalize(program);
  EXPECT_TRUE(normalize(normal) == normal);
  const Arrays inputs = random_inputs(program, 1);
  Arrays wanted_state = initial_state(program, 1);
  Arrays state = wanted_state;
  EXPECT_EQ(interpret(normal, inputs, state), interpret(program, inputs, wanted_state));
  EXPECT_EQ(state, wanted_state);
}

// A square costs a multiplication, not a logarithm and an exponential.
TEST(Normalize, SmallPowersAreMultiplied) {
  const Program program = normalize(parse(R"(program powers
dim k = 3
input x[k]
a = x ** 2
b = x ** 3.0
c = (x + 1) ** 4
d = x ** -1
e = x ** 0.5
output a
output b
output c
output d
output e
)"));
  EXPECT_EQ(print(program.get("a").value()), "x * x");
  EXPECT_EQ(print(program.get("b").value()), "x * x * x");
  EXPECT_EQ(print(program.get("c").value()), "(x + 1.0) * (x + 1.0) * ((x + 1.0) * (x + 1.0))");
  EXPECT_EQ(print(program.get("d").value()), "1.0 / x");
  EXPECT_EQ(print(program.get("e").value()), "x ** 0.5");
}

}  // namespace
}  // namespace tessera
