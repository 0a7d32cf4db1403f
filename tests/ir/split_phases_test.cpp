#include "ir/split_phases.h"

#include <gtest/gtest.h>

#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

// The values of `y` as the program is written, and in normal form.
void expect_same(const std::string& text) {
  SCOPED_TRACE(text);
  const Program program = parse(text);
  const Program normal = normalize(program);
  const Arrays inputs = random_inputs(program, 5);
  Arrays none;
  const Array written = interpret(program, inputs, none).at("y");
  const Array found = interpret(normal, inputs, none).at("y");
  ASSERT_EQ(found.shape, written.shape);
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found.get(i), written.get(i), 1e-5) << "element " << i << "\n" << print(normal);
}

bool is_split(const std::string& text) {
  for (const Tensor& tensor : normalize(parse(text)).definitions())
    for (const Dim& dim : tensor.dims())
      if (dim.name() == "p_phase") return true;
  return false;
}

std::string gradient(const std::string& equation, int64_t places, int64_t outer, int64_t taps) {
  return "program p\ndim p = " + std::to_string(places) + ", o = " + std::to_string(outer) +
         ", k = " + std::to_string(taps) +
         ", c = 3, d = 2\ninput g[o, c]\ninput w[k, c, d]\n"
         "y = sum[o, k, c](where(" +
         equation + ", g * w, 0))\noutput y\n";
}

TEST(SplitPhases, MakesContractionsOfAStridedGradient) {
  const Program normal = normalize(parse(gradient("2*o + k == p", 11, 5, 3)));
  ASSERT_EQ(normal.definitions().size(), 2U);
  EXPECT_EQ(print(normal.definitions()[0].value()),
            "sum[c, k_step](g[o: p_unit - k_step pad 0.0] * w[k: p_phase + 2 * k_step pad 0.0])")
      << print(normal);
  EXPECT_EQ(print(normal.get("y").value()), "y_1[p_unit: p // 2, p_phase: p % 2]");
}

TEST(SplitPhases, OfEveryStrideShiftAndSizeIsRight) {
  for (const char* equation :
       {"2*o + k == p", "3*o + k - 1 == p", "2*o - k == p", "3*o - k + 4 == p", "p == 4*o + k + 2",
        "2*o + k - 3 == p", "p + 1 - k == 2*o", "5*o + k == p + 7", "2*o + 3*k == p",
        "2*o - 3*k + 4 == p", "5*o + 3*k - 2 == p", "2*o + 2*k == p", "4*o + 6*k == p + 3",
        "3*o - 6*k == p - 7", "o + 2*k == p", "p == 3*k - o + 1"})
    for (const int64_t places : {1, 4, 9, 16})
      for (const int64_t outer : {1, 2, 5})
        for (const int64_t taps : {1, 2, 3, 5})
          expect_same(gradient(equation, places, outer, taps));
  EXPECT_TRUE(is_split(gradient("5*o + k == p + 7", 16, 5, 3)));
  EXPECT_TRUE(is_split(gradient("3*o - k + 4 == p", 16, 5, 3)));
}

TEST(SplitPhases, TellsThePhaseByTheTapOfADilation) {
  const Program normal = normalize(parse(gradient("2*o + 3*k == p", 11, 5, 3)));
  ASSERT_EQ(normal.definitions().size(), 2U);
  EXPECT_EQ(print(normal.definitions()[0].value()),
            "sum[c, k_step](g[o: p_unit + -3 * k_step - 1 pad 0.0] * "
            "w[k: p_phase + 2 * k_step pad 0.0])")
      << print(normal);
}

TEST(SplitPhases, OfAStrideWithoutTaps) {
  const std::string text = R"(program p
dim p = 9, o = 4, c = 3, d = 2
input g[o, c]
input w[c, d]
y = sum[o, c](where(2*o + 1 == p, g * w, 0))
output y
)";
  expect_same(text);
  EXPECT_TRUE(is_split(text));
}

TEST(SplitPhases, TakesTwoDimsApart) {
  const std::string text = R"(program p
dim p = 9, q = 7, o = 4, r = 3, k = 3, l = 2, c = 3
input g[o, r, c]
input w[k, l, c]
y = sum[o, r, k, l, c](where(2*o + k == p and 3*r + l == q, g * w, 0))
output y
)";
  expect_same(text);
  EXPECT_TRUE(is_split(text));
  const Program normal = normalize(parse(text));
  for (const Tensor& tensor : normal.definitions())
    EXPECT_EQ(print(tensor.value()).find("=="), std::string::npos) << print(normal);
}

TEST(SplitPhases, LeavesAloneWhatHasNoPhases) {
  EXPECT_FALSE(is_split(gradient("o + k == p", 9, 5, 3)));              // no stride
  EXPECT_FALSE(is_split(gradient("o + 2*k == p", 9, 5, 3)));            // a dilation alone
  EXPECT_FALSE(is_split(gradient("2*o + k == p and p > 2", 9, 5, 3)));  // the place has another use
  EXPECT_FALSE(is_split(gradient("2*o + k == p", 2, 5, 3)));            // fewer places than phases
  for (const char* equation : {"2*o + k == p and p > 2", "2*o + k <= p"})
    expect_same(gradient(equation, 9, 5, 3));
}

// The second derivative is taken of the sum, not of its phases: those are guarded by divisions.
TEST(SplitPhases, ComeAfterGradients) {
  const Program normal = normalize(parse(R"(program p
dim p = 9, o = 4, k = 3
input x[p]
param w[k] = 0.5
h = sum[k](x[p: 2*o + k] * w)
loss = sum[o](h * h * h)
dx = grad(loss, x)
bend = grad(sum[p](dx * dx), x)
output dx
output bend
)"));
  for (const Tensor& tensor : normal.definitions()) {
    const std::string text = print(tensor.value());
    if (text.find("//") == std::string::npos) continue;
    EXPECT_EQ(text.find("=="), std::string::npos) << print(normal);
  }
}

}  // namespace
}  // namespace tessera
