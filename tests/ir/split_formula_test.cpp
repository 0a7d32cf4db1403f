#include "ir/split_formula.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/index_range.h"
#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random_inputs.h"
#include "ir/structure.h"

namespace tessera {
namespace {

std::string nested(const std::string& def, int depth, const std::string& argument) {
  std::string text = argument;
  for (int i = 0; i < depth; ++i) text = def + "(" + text + ")";
  return text;
}

// Every definition is short, in the source and in normal form, and text holds the program.
void expect_short(const Program& program) {
  for (const Program& each : {program, normalize(program)}) {
    for (const Tensor& tensor : each.definitions())
      EXPECT_LE(written_size(tensor.value()), kMostWritten) << tensor.name();
    EXPECT_LT(print(each).size(), 200'000U);
    EXPECT_TRUE(parse(print(each)) == each);
  }
  const Program normal = normalize(program);
  EXPECT_TRUE(normalize(normal) == normal);
}

int32_t step(int32_t s) {
  const auto wide = static_cast<uint32_t>(s);
  const auto sum = static_cast<int32_t>(wide * 305U + static_cast<uint32_t>(s / 7) + 12345U);
  return ((sum % 65536) + 65536) % 65536;
}

const char* const kStep = "def step(s) = (s * 305 + s // 7 + 12345) % 65536\n";

TEST(SplitFormula, CountsWhatIsWrittenNotWhatIsThere) {
  const Dim i("i", 4);
  Expr x = make_index(i);
  for (int n = 0; n < 100; ++n) x = x + x;
  EXPECT_EQ(subexpressions(x).size(), 101U);
  EXPECT_EQ(written_size(x, 5000), 5000);
  EXPECT_EQ(written_size(make_index(i) + make_index(i)), 3);
}

TEST(SplitFormula, LetsDefsThatUseTheirArgumentTwiceNestDeep) {
  const Program p = parse(std::string("program p\ndim i = 50\n") + kStep +
                          "r = " + nested("step", 40, "i") + "\noutput r\n");
  expect_short(p);
  Arrays state;
  const Array r = interpret(p, {}, state).at("r");
  for (int i = 0; i < 50; ++i) {
    int32_t wanted = i;
    for (int n = 0; n < 40; ++n) wanted = step(wanted);
    EXPECT_EQ(r.get(static_cast<size_t>(i)), wanted) << i;
  }
}

TEST(SplitFormula, LetsThemNestInAnIndex) {
  const Program p = parse(std::string("program p\ndim i = 20, k = 50\ninput t[k]\n") + kStep +
                          "r = t[k: " + nested("step", 40, "i") + " % 50]\noutput r\n");
  expect_short(p);
  const Arrays inputs = random_inputs(p, 1);
  Arrays state;
  const Array r = interpret(p, inputs, state).at("r");
  for (int i = 0; i < 20; ++i) {
    int32_t wanted = i;
    for (int n = 0; n < 40; ++n) wanted = step(wanted);
    EXPECT_EQ(r.get(static_cast<size_t>(i)), inputs.at("t").get(static_cast<size_t>(wanted % 50)));
  }
}

// An index that is a sum of dims stays one, however it is put together.
TEST(SplitFormula, KeepsSumsOfDims) {
  const Program p = parse("program p\ndim i = 4, k = 7168\ninput t[k]\ndef twice(s) = s + s - 1\n" +
                          ("r = t[k: " + nested("twice", 11, "(i + 1)") + " - 1]\noutput r\n"));
  expect_short(p);
  EXPECT_EQ(p.definitions().size(), 1U);
  EXPECT_TRUE(affine_form(as<Read>(p.get("r").value())->indices[0].value));
}

TEST(SplitFormula, LetsGradientsOfThemBeTaken) {
  const Program p = parse(
      "program p\ndim k = 3\nparam x[k] : f64 = 0.3\ndef f(s) = s * 0.5 + sin(s) * 0.4 + s * s / "
      "9\n"
      "loss = sum[k](" +
      nested("f", 40, "x") + ")\ng = grad(loss, x)\noutput loss\noutput g\n");
  expect_short(p);
  const auto loss_at = [&](double x) {
    Arrays state = {{"x", make_array(DType::f64, {3})}};
    for (size_t i = 0; i < 3; ++i) state.at("x").set(i, i == 0 ? x : 0.3);
    return interpret(p, {}, state);
  };
  const double slope =
      (loss_at(0.3 + 1e-5).at("loss").get(0) - loss_at(0.3 - 1e-5).at("loss").get(0)) / 2e-5;
  const double found = loss_at(0.3).at("g").get(0);
  EXPECT_NE(found, 0);
  EXPECT_NEAR(found, slope, 1e-6 * (1 + std::abs(slope)));
}

// What a where keeps from being read is not read because it is long.
TEST(SplitFormula, LeavesReadsThatMayGoOutsideWhereTheyAre) {
  const Program p = parse(
      "program p\ndim i = 6, k = 4\ninput t[k] : i32\ninput j[i] : i32\n"
      "def hop(s) = t[k: s] * 3 + t[k: s]\n"
      "r = where(j < 4, " +
      nested("hop", 6, "j") + " - " + nested("hop", 6, "j") + ", -1)\n" + "output r\n");
  Array t = make_array(DType::i32, {4}), j = make_array(DType::i32, {6});
  for (size_t i = 0; i < 6; ++i) j.set(i, static_cast<double>(i));
  Arrays state;
  const Array r = interpret(p, {{"t", t}, {"j", j}}, state).at("r");
  EXPECT_EQ(r.get(0), 0);
  EXPECT_EQ(r.get(5), -1);
}

TEST(SplitFormula, RefusesWhatStaysTooLong) {
  try {
    parse(
        "program p\ndim i = 6, k = 4\ninput t[k] : i32\ninput j[i] : i32\n"
        "def hop(s) = t[k: s] * 3 + t[k: s]\n"
        "r = where(j < 4, " +
        nested("hop", 30, "j") + ", -1)\noutput r\n");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "<text>:6:5: the formula of `r` grows beyond 1000000 operations with its defs put "
                 "in; give parts of it names, as in `part = …`");
  }
}

// Fourteen derivatives of one another, or a clear refusal at once.
TEST(SplitFormula, RefusesGradientsThatGrowBeyondTheLimit) {
  std::string text = "program p\ndim k = 2\ninput x[k]\ny0 = tanh(x)\n";
  for (int i = 0; i < 40; ++i)
    text += "l" + std::to_string(i) + " = sum[k](y" + std::to_string(i) + ")\ny" +
            std::to_string(i + 1) + " = grad(l" + std::to_string(i) + ", x)\n";
  try {
    normalize(parse(text + "output y40\n"));
    FAIL();
  } catch (const UserError& error) {
    const std::string found = error.what();
    EXPECT_NE(found.find("the gradients of `p` grow beyond 1"), std::string::npos) << found;
    EXPECT_NE(found.find(" operations; take fewer gradients of gradients, or of shorter formulas"),
              std::string::npos)
        << found;
  }
}

// One kernel of all of them took LLVM minutes.
TEST(SplitFormula, BoundsTheWorkOfADefinition) {
  const Program p =
      parse("program p\ndim i = 5\nx[i] = 0.1 * f32(i)\ny = " + nested("tanh", 900, "x") +
            "\noutput y\n");
  expect_short(p);
  for (const Program& each : {p, normalize(p)}) {
    EXPECT_GT(each.definitions().size(), 10U);
    for (const Tensor& tensor : each.definitions())
      EXPECT_LE(flops_of(tensor.value()), kMostWork) << tensor.name();
  }
  const Program few =
      parse("program p\ndim i = 5\nx[i] = 0.1 * f32(i)\ny = " + nested("tanh", 100, "x") +
            "\noutput y\n");
  EXPECT_EQ(few.definitions().size(), 2U);
  Arrays state;
  const Array y = interpret(p, {}, state).at("y");
  for (size_t n = 0; n < 5; ++n) {
    float wanted = 0.1F * static_cast<float>(n);
    for (int k = 0; k < 900; ++k) wanted = std::tanh(wanted);
    EXPECT_NEAR(y.get(n), wanted, 1e-5);
  }
}

TEST(SharedNodes, AreOneForEqualFormulas) {
  const Dim i("i", 4);
  const Tensor x = make_tensor("x", {i}, DType::f32, Role::input);
  const Expr twice = (make_read(x) * 2.0 + 1.0) * (make_read(x) * 2.0);
  SharedNodes shared;
  const Expr less = shared.share(twice);
  EXPECT_TRUE(equivalent(less, twice));
  EXPECT_EQ(subexpressions(less).size(), 7U);  // i, x, 2, x * 2, 1, the sum, the product
  EXPECT_TRUE(shared.share(make_read(x) * 2.0).is(as<Apply>(less)->args[1]));
}

// Pairs that are compared once: left and right share their parts in different ways.
TEST(Equivalence, IsFoundOnceForEachPairOfNodes) {
  const Dim i("i", 4);
  Expr one = make_index(i);
  Expr left = make_index(i), right = left;
  for (int n = 0; n < 60; ++n) {
    one = one + one;
    const Expr sum = left + right;
    right = left + right;
    left = sum;
  }
  EXPECT_TRUE(equivalent(one, left));
}

}  // namespace
}  // namespace tessera
