#include "runtime/locate_fault.h"

#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"

namespace tessera {
namespace {

constexpr char kFault[] =
    "the index `token` is 12 where it reads `table` along `v`; allowed is 0 to 8";

// The text for a program with `line`, whose tokens are 3 but for one of 12 at [1, 2].
std::string located(const std::string& line, bool given = true) {
  const Program program = normalize(parse(R"(program p
dim b = 2, t = 4, v = 9
input token[b, t] : i32
input table[v]
)" + line + "\noutput y\n"));
  Array tokens = make_array(DType::i32, {2, 4});
  for (size_t i = 0; i < tokens.size(); ++i) tokens.set(i, i == 6 ? 12 : 3);
  return with_element(kFault, program, [&](const Tensor&) { return given ? &tokens : nullptr; });
}

TEST(LocateFault, NamesTheElementOfTheDataThatLedOutside) {
  EXPECT_EQ(located("y = exp(table[v: token])"),
            "the index `token` is 12, at b = 1, t = 2, where it reads `table` along `v`; allowed "
            "is 0 to 8");
}

TEST(LocateFault, LeavesOutWhatIsNotGiven) {
  EXPECT_EQ(located("y = table[v: token]", false), kFault);
}

// Elsewhere the same value may be harmless.
TEST(LocateFault, DoesNotGuessBelowAWhere) {
  EXPECT_EQ(located("y = where(b == 0, 0.0, table[v: token])"), kFault);
  EXPECT_EQ(located("y = table[v: token pad 0.0]"), kFault);
}

TEST(LocateFault, DoesNotGuessWhatComputedValuesWere) {
  EXPECT_EQ(located("next = token + i32(table[v: b])\ny = table[v: next]"), kFault);
}

}  // namespace
}  // namespace tessera
