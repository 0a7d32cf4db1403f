#include "ir/normalize.h"

#include <gtest/gtest.h>

#include "ir/interpret.h"
#include "ir/parse.h"
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

}  // namespace
}  // namespace tessera
