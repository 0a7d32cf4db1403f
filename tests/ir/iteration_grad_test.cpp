// Derivatives within one iteration of a loop, and through loops that hold such.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/loop.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"

namespace tessera {
namespace {

Arrays run(const Program& program) {
  Arrays state = initial_state(program, 3);
  const Arrays found = interpret(program, {}, state);
  const Program normal = normalize(program);
  EXPECT_TRUE(parse(print(program)) == program) << print(program);
  EXPECT_TRUE(parse(print(normal)) == normal) << print(normal);
  EXPECT_TRUE(normalize(normal) == normal);
  return found;
}

// `found` and `wanted` are outputs of the program, which agree.
void expect_same(const std::string& text) {
  const Arrays outputs = run(parse(text));
  const Array& found = outputs.at("found");
  const Array& wanted = outputs.at("wanted");
  ASSERT_EQ(describe(found), describe(wanted));
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found.get(i), wanted.get(i), 1e-9) << "element " << i;
    EXPECT_TRUE(std::isfinite(found.get(i)));
  }
}

// d loss / d w of the program's output `g` against central differences, for the f64 param w.
void expect_slopes(const std::string& text) {
  const Program program = normalize(parse(text));
  const Arrays state = initial_state(program, 5);
  Arrays start = state;
  const Array g = interpret(program, {}, start).at("g");
  double most = 0;
  for (size_t i = 0; i < g.size(); ++i) {
    double value[2];
    for (int side = 0; side < 2; ++side) {
      Arrays moved = state;
      moved.at("w").set(i, moved.at("w").get(i) + (side == 0 ? 1e-5 : -1e-5));
      value[side] = interpret(program, {}, moved).at("loss").get(0);
    }
    EXPECT_NEAR(g.get(i), (value[0] - value[1]) / 2e-5, 1e-6) << "element " << i;
    most = std::max(most, std::abs(g.get(i)));
  }
  EXPECT_GT(most, 1e-3);
}

TEST(IterationGradient, IsTheDerivativeByWhatIsCarriedSoFar) {
  expect_same(
      "program p\ndim k = 3\nparam w[k] : f64 = normal(0, 1)\n"
      "loop i = 10 carry p = w {\n  energy = sum[k](p ** 4.0)\n"
      "  p = p - 0.01 * grad(energy, p)\n}\n"
      "loop j = 10 carry q = w { q = q - 0.04 * q * q * q }\n"
      "output found = p\noutput wanted = q\n");
}

TEST(IterationGradient, HoldsAllElseThatIsCarriedFixed) {
  // b is carried, too, and computed from p in the iterations before.
  expect_same(
      "program p\ndim k = 3\nparam w[k] : f64 = normal(0, 1)\n"
      "loop i = 6 carry p = w, b = 0.3 * w {\n  energy = sum[k](sin(p) * b)\n"
      "  p = p - 0.1 * grad(energy, p)\n  b = b + 0.2 * p\n}\n"
      "loop j = 6 carry q = w, c = 0.3 * w { q = q - 0.1 * cos(q) * c; c = c + 0.2 * q }\n"
      "output found = p\noutput wanted = q\n");
}

TEST(IterationGradient, ByADefinitionOfTheBodyOrATensorOutside) {
  expect_same(
      "program p\ndim k = 3\nparam w[k] : f64 = normal(0, 1)\n"
      "loop i = 4 carry p = w {\n  half = 0.5 * p\n  energy = sum[k](half * half * w)\n"
      "  p = p - 0.1 * grad(energy, half) - 0.01 * grad(energy, w) * f64(i)\n}\n"
      "loop j = 4 carry q = w { q = q - 0.1 * q * w - 0.0025 * q * q * f64(j) }\n"
      "output found = p\noutput wanted = q\n");
}

TEST(IterationGradient, ByADefinitionThatNoIterationChanges) {
  expect_same(
      "program p\ndim k = 3\nparam w[k] : f64 = normal(0, 1)\n"
      "loop i = 4 carry p = w {\n  same = 2.0 * w\n  energy = sum[k](same * same * p)\n"
      "  p = p - 0.1 * grad(energy, same)\n}\n"
      "loop j = 4 carry q = w { q = q - 0.4 * w * q }\n"
      "output found = p\noutput wanted = q\n");
}

TEST(IterationGradient, ByAnInputThatTheIterationReadsAPartOf) {
  expect_same(
      "program p\ndim t = 4, k = 2\nparam w[t, k] : f64 = normal(0, 1)\n"
      "loop i over t carry p = 0.0 * w[t: 0] {\n  x = w[t: i]\n"
      "  energy = sum[k](x * x * (p + 1))\n  p = p + sum[t](grad(energy, w))\n}\n"
      "loop j over t carry q = 0.0 * w[t: 0] { q = q + 2.0 * w[t: j] * (q + 1) }\n"
      "output found = p\noutput wanted = q\n");
}

TEST(IterationGradient, GoesThroughALoopWithinTheIteration) {
  // Three steps of an inner descent, and the derivative of where it ends by where it began.
  expect_same(
      "program p\ndim k = 3\nparam w[k] : f64 = normal(0, 1)\n"
      "loop i = 3 carry p = w {\n  loop j = 2 carry z = p { z = z * z * 0.5 }\n"
      "  end = sum[k](z)\n  p = p - 0.1 * grad(end, p)\n}\n"
      "loop m = 3 carry q = w { q = q - 0.1 * (0.5 * q * q * q) }\n"
      "output found = p\noutput wanted = q\n");
}

TEST(IterationGradient, WithinBothOfTwoLoops) {
  expect_same(
      "program p\ndim k = 3\nparam w[k] : f64 = normal(0, 1)\n"
      "loop i = 3 carry p = w {\n"
      "  loop j = 2 carry z = 0.5 * p { e = sum[k](z ** 2.0 * p); z = z - 0.1 * grad(e, z) }\n"
      "  p = z\n}\n"
      "loop m = 3 carry q = w {\n"
      "  loop n = 2 carry y = 0.5 * q { y = y - 0.2 * y * q }\n  q = y\n}\n"
      "output found = p\noutput wanted = q\n");
}

TEST(IterationGradient, IsDerivedItselfByGradientsOfTheLoop) {
  expect_slopes(
      "program p\ndim k = 3\nparam w[k] : f64 = normal(0, 0.5)\n"
      "loop i = 6 carry p = 0.5 * w {\n  energy = sum[k](p ** 4.0 + sin(w * p))\n"
      "  p = p - 0.1 * grad(energy, p)\n}\n"
      "loss = sum[k](p * p)\ng = grad(loss, w)\noutput loss\noutput g\n");
}

TEST(IterationGradient, OfForcesBetweenBodies) {
  expect_slopes(
      "program p\ndim body = 3, other = 3, axis = 2\nparam w[body, axis] : f64 = normal(0, 1)\n"
      "loop i = 4 carry place = w, speed = 0.0 * w {\n  away = place - place[body: other]\n"
      "  energy = sum[body, other](exp(-sum[axis](away * away)))\n"
      "  speed = speed - 0.2 * grad(energy, place)\n  place = place + 0.3 * speed\n}\n"
      "loss = sum[body, axis](place * place)\ng = grad(loss, w)\noutput loss\noutput g\n");
}

TEST(IterationGradient, AtEachIndexOnItsOwn) {
  expect_same(
      "program p\ndim row = 4, k = 3\nparam w[row, k] : f64 = normal(0, 1)\n"
      "param v[k] : f64 = normal(0, 1)\nparam u[row, k] : f64 = normal(0, 1)\n"
      "error = sum[k](w * w * v)\nless = sum[k](w * v) - sum[row, k](u * v * v) / 4\n"
      "found = grad[row](error, v) + grad[row](error, w) + grad[row](less, v)\n"
      "wanted = w * w + 2 * w * v + w - sum[row](2.0 * u * v) / 4\n"
      "output found\noutput wanted\n");
}

TEST(IterationGradient, RefusesToLeaveOutWhatStandsAtOtherIndices) {
  const Program p = parse(
      "program p\ndim row = 4, k = 3\nparam w[row, k]\n"
      "middle = sum[row](w) / 4.0\nerror = sum[k](w - middle)\ng = grad[row](error, w)\noutput "
      "g\n");
  try {
    normalize(p);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "<text>:4:10: grad derives at each `row` on its own, and `middle_1` reads `w` at "
                 "others, too; take the grad of a sum over `row` instead");
  }
}

TEST(IterationGradient, InCppAsInText) {
  Program p("p");
  const Dim k("k", 3), i("i", 5);
  const Tensor w = p.parameter("w", {k}, uniform(0, 1), DType::f64);
  const Loop descent = loop(i, {w}, [&](const std::vector<Tensor>& carried) {
    const Tensor energy = sum(k, carried[0] * carried[0] * carried[0]);
    return Iteration{{carried[0] - 0.1 * grad(energy, carried[0])}, {}, {}};
  });
  p.output("found", descent.last[0]);
  const Loop same = loop(i, {w}, [&](const std::vector<Tensor>& carried) {
    return Iteration{{carried[0] - 0.3 * carried[0] * carried[0]}, {}, {}};
  });
  p.output("wanted", same.last[0]);
  const Arrays outputs = run(p);
  for (size_t n = 0; n < 3; ++n)
    EXPECT_NEAR(outputs.at("found").get(n), outputs.at("wanted").get(n), 1e-12);
  // After the loop, its values are summed as any others.
  const Loop kept = loop(i, {w}, [&](const std::vector<Tensor>& carried) {
    return Iteration{{carried[0] * 0.5}, {sum(k, carried[0])}, {}};
  });
  EXPECT_THROW(grad(kept.each[0], w), UserError);
}

TEST(IterationGradient, SaysWhichDimsTheLossMayHave) {
  const auto error_of = [](const std::string& lines) -> std::string {
    try {
      parse("program p\ndim k = 3, t = 2\nparam w[k, t]\n" + lines + "output w\n");
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of("loop i = 2 carry p = w { e = sum[t](p); p = p - grad(e, p) }\n"),
            "<text>:4:49: grad takes a loss without dims; `e` has k: reduce it first, as in "
            "sum[k](e), or derive at each index on its own, as in grad[k](…)");
  EXPECT_EQ(error_of("y = sum[t](w)\ng = grad[t](y, w)\n"),
            "<text>:5:10: `grad` derives along `t`, which its loss does not have; it has k "
            "(did you mean `k`?)");
  EXPECT_EQ(error_of("loop i = 2 carry p = w { e = p * p; p = grad[k, t](e, p) }\n"), "no error");
}

}  // namespace
}  // namespace tessera
