#include "ir/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/normalize.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::string refusal(const Program& program) {
  try {
    normalize(program);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

// Programs made in C++, which no parser has seen.
TEST(Limits, ATensorWithTooManyElementsIsRefusedByName) {
  Program p("large");
  const Dim i("i", 1 << 30), j("j", 1 << 30);
  const Tensor w = p.parameter("w", {i, j}, constant(0));
  p.output("y", sum({i, j}, w));
  EXPECT_THAT(refusal(p), HasSubstr("`w` would have more than 2^53 elements over i, j; make its "
                                    "dims smaller or fewer"));
}

TEST(Limits, ANestWithTooManyStepsIsRefused) {
  Program p("long");
  const Dim i("i", 1 << 25), j("j", 1 << 25), k("k", 1 << 25);
  const Tensor a = p.input("a", {i, k}), b = p.input("b", {k, j});
  p.output("y", sum(k, a * b), {i, j});
  EXPECT_THAT(refusal(p), HasSubstr("would run over more than 2^62 points of"));
}

TEST(Limits, TheBytesOfAllTensorsAreCounted) {
  Program p("many");
  const Dim i("i", 1 << 26), j("j", 1 << 26);
  for (int n = 0; n < 80; ++n)
    p.output("y" + std::to_string(n), sum({i, j}, p.input("x" + std::to_string(n), {i, j})));
  EXPECT_THAT(refusal(p), HasSubstr("the tensors of program `many` would have more than 2^60 bytes "
                                    "together"));
}

TEST(Limits, WhatIsJustWithinIsTaken) {
  Program p("within");
  const Dim i("i", 1 << 26), j("j", 1 << 26);
  p.output("y", sum({i, j}, p.input("x", {i, j})));
  EXPECT_EQ(refusal(p), "");
}

}  // namespace
}  // namespace tessera
