#include "ir/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/loop_condition.h"
#include "ir/nest.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "ir/sequence.h"
#include "tests/ir/unroll.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

Arrays run(const Program& program, Arrays inputs = {}, uint64_t seed = 3) {
  if (inputs.empty()) inputs = random_inputs(program, seed);
  Arrays state = initial_state(program, seed);
  return interpret(program, inputs, state);
}

// The program as it stands, its normal form, and its text mean the same.
Arrays run_all_ways(const Program& program, uint64_t seed = 3) {
  const Arrays direct = run(program, {}, seed);
  const Program normal = normalize(program);
  EXPECT_TRUE(is_normal(normal));
  EXPECT_TRUE(normalize(normal) == normal) << print(normal);
  const Program read = parse(print(program));
  EXPECT_TRUE(read == program) << print(program);
  EXPECT_EQ(print(read), print(program));
  EXPECT_TRUE(parse(print(normal)) == normal) << print(normal);
  const Arrays inputs = random_inputs(program, seed);
  EXPECT_EQ(run(normal, inputs, seed), direct) << print(normal);
  EXPECT_EQ(run(read, inputs, seed), direct);
  const Program unrolled = unroll(normal);
  EXPECT_TRUE(unrolled.carries().empty() && is_normal(unrolled));
  EXPECT_EQ(run(unrolled, inputs, seed), direct) << print(unrolled);
  return direct;
}

TEST(Loop, CarriesOneValueAndCollectsAnother) {
  Program p("doubling");
  const Dim t("t", 5), k("k", 2);
  const Tensor x = p.input("x", {k}, DType::f64);
  const Loop result = loop(t, {x}, [&](const std::vector<Tensor>& carried) {
    const Expr next = 2 * carried[0] + cast(DType::f64, index(t));
    return Iteration{{next}, {next * next}, {}};
  });
  p.output("last", result.last[0]);
  p.output("squares", result.each[0], {t, k});
  Arrays inputs = {{"x", make_array(DType::f64, {2})}};
  inputs["x"].set(1, 1);
  const Arrays out = run(p, inputs);
  double value[2] = {0, 1};
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 2; ++j) {
      value[j] = 2 * value[j] + i;
      EXPECT_EQ(out.at("squares").get(static_cast<size_t>(2 * i + j)), value[j] * value[j]);
    }
  EXPECT_EQ(out.at("last").get(0), value[0]);
  EXPECT_EQ(out.at("last").get(1), value[1]);
  run_all_ways(p);
}

TEST(Loop, RunsNoTimes) {
  const Program p =
      parse("program p\ndim k = 3\ninput x[k]\nloop i = 0 carry r = x { r = 2 * r }\noutput r\n");
  const Arrays inputs = random_inputs(p, 1);
  EXPECT_EQ(run(p, inputs).at("r"), inputs.at("x"));
}

TEST(Loop, EndsEarlyElementByElement) {
  const Program p = parse(
      "program collatz\ndim n = 12\nstart = n + 1\n"
      "loop i = 50 while x != 1 carry x = start, steps = 0 {\n"
      "  x = where(x % 2 == 0, x // 2, 3 * x + 1)\n  steps = steps + 1\n}\n"
      "output steps\noutput x\n");
  const Arrays out = run_all_ways(p);
  for (int n = 1; n <= 12; ++n) {
    int64_t x = n;
    int steps = 0;
    for (; x != 1; ++steps) x = x % 2 == 0 ? x / 2 : 3 * x + 1;
    EXPECT_EQ(out.at("steps").get(static_cast<size_t>(n - 1)), steps);
  }
}

TEST(Loop, LiftsOverDimsThatTheBodyBrings) {
  const Program p = parse(
      "program p\ndim batch = 3, time = 4, h = 2\n"
      "input x[batch, time, h]\n"
      "loop t over time carry s = 0.0 collect y {\n  s = 0.5 * s + x[time: t]\n  y = s * s\n}\n"
      "output s[batch, h]\noutput y[batch, time, h]\n");
  const Arrays inputs = random_inputs(p, 5);
  const Arrays out = run_all_ways(p, 5);
  for (size_t b = 0; b < 3; ++b)
    for (size_t h = 0; h < 2; ++h) {
      double s = 0;
      for (size_t t = 0; t < 4; ++t) {
        s = 0.5 * s + inputs.at("x").get((b * 4 + t) * 2 + h);
        EXPECT_NEAR(out.at("y").get((b * 4 + t) * 2 + h), s * s, 1e-5);
      }
      EXPECT_NEAR(out.at("s").get(b * 2 + h), s, 1e-5);
    }
}

TEST(Loop, NestsInLoops) {
  const Program p = parse(
      "program p\ndim k = 3\ninput x[k] : f64\n"
      "loop i = 3 carry a = x {\n"
      "  loop j = 2 carry b = a + 1, c = 0 { b = b / 2; c = c + b }\n"
      "  a = a + b * c\n}\noutput a\n");
  const Arrays inputs = random_inputs(p, 2);
  const Arrays out = run_all_ways(p, 2);
  for (size_t k = 0; k < 3; ++k) {
    double a = inputs.at("x").get(k);
    for (int i = 0; i < 3; ++i) {
      double b = a + 1, c = 0;
      for (int j = 0; j < 2; ++j) c += b /= 2;
      a += b * c;
    }
    EXPECT_NEAR(out.at("a").get(k), a, 1e-12);
  }
}

TEST(Loop, NamesInsideALoopMayStandAgainInTheLoopAround) {
  const Program p = parse(
      "program p\ndim k = 3\ninput x[k]\nloop i = 2 carry r = x {\n"
      "  loop j = 2 carry q = r { a = q + 1; q = a }\n  a = q * 2\n  r = a\n}\noutput r\n");
  const Arrays inputs = random_inputs(p, 3);
  const Arrays out = run_all_ways(p, 3);
  for (size_t k = 0; k < 3; ++k)
    EXPECT_NEAR(out.at("r").get(k), ((inputs.at("x").get(k) + 2) * 2 + 2) * 2, 1e-5);
}

TEST(Loop, LiteralsBeginAsWhatTheBodyMakesOfThem) {
  const Program p = parse(
      "program p\ndim k = 3\ninput x[k] : f64\ninput n[k] : i64\ninput h[k] : bf16\n"
      "loop t over k carry s = 0.0, total = 0, low = 0.5, kept = 1.5, twice = 0, after = 0.0 {\n"
      "  half = 0.5 * s\n  s = half + x[k: t]\n  total = total + n[k: t]\n"
      "  low = max(low, h[k: t])\n  kept = 2 * kept\n  twice = 2 * twice + 0.25\n"
      "  after = after + s\n}\n"
      "loop i = 3 while q < 4 carry q = 1 { q = q + x }\n"
      "loop i = 2 carry a = x {\n"
      "  loop j = 2 carry b = a + 1, c = 0 { b = b / 2; c = c + b }\n  a = a + b * c\n}\n"
      "loop i = 2 carry d = 0 {\n  loop j = 2 carry e = d, f = 1 { e = e + f; f = f * x }\n"
      "  d = e\n}\n"
      "output s\noutput total\noutput low\noutput kept\noutput twice\noutput after\n"
      "output q\noutput a\noutput d\n");
  const std::map<std::string, DType> types = {
      {"s", DType::f64},    {"total", DType::i64}, {"low", DType::bf16},
      {"kept", DType::f32}, {"twice", DType::f32}, {"after", DType::f64},
      {"q", DType::f64},    {"a", DType::f64},     {"d", DType::f64}};
  for (const auto& [name, type] : types) EXPECT_EQ(p.get(name).type(), type) << name;
  const Arrays inputs = random_inputs(p, 3);
  const Arrays out = run_all_ways(p, 3);
  double s = 0;
  for (size_t k = 0; k < 3; ++k) s = 0.5 * s + inputs.at("x").get(k);
  EXPECT_EQ(out.at("s").get(0), s);
  EXPECT_EQ(out.at("twice").get(0), 1.75);
  for (size_t k = 0; k < 3; ++k) {
    const double x = inputs.at("x").get(k);
    EXPECT_NEAR(out.at("d").get(k), 2 * (1 + x), 1e-12);
  }
}

// Each level calls its body as often as it takes to find types and dims, and no oftener.
TEST(Loop, NestsDeeplyWithLiterals) {
  constexpr int kDepth = 12;
  std::string text = "program p\ndim k = 2\ninput x[k] : f64\n";
  const auto a = [](int i) { return "a" + std::to_string(i); };
  for (int i = 0; i < kDepth; ++i)
    text += "loop n" + std::to_string(i) + " = 2 carry " + a(i) + " = 0 {\n";
  text += a(kDepth - 1) + " = " + a(kDepth - 1) + " + x\n";
  for (int i = kDepth - 1; i > 0; --i)
    text += "}\n" + a(i - 1) + " = " + a(i - 1) + " + " + a(i) + "\n";
  const Program p = parse(text + "}\noutput a0\n");
  EXPECT_EQ(p.get("a0").type(), DType::f64);
  EXPECT_EQ(names(p.get("a0").dims()), std::vector<std::string>{"k"});
}

TEST(Loop, LiteralsInCppBeginAsWhatTheBodyMakesOfThem) {
  Program p("p");
  const Dim t("t", 4);
  const Tensor x = p.input("x", {t}, DType::f64);
  const Loop sums = loop(t, {0, 0.0}, [&](const std::vector<Tensor>& carried) {
    return Iteration{{carried[0] + Expr(1), carried[1] + x}, {}, {}};
  });
  EXPECT_EQ(sums.last[0].type(), DType::i32);
  EXPECT_EQ(sums.last[1].type(), DType::f64);
  p.output("count", sums.last[0]);
  p.output("sum", sums.last[1]);
  EXPECT_EQ(run_all_ways(p).at("count").get(0), 4);
}

TEST(Loop, LinesAreNamedApartFromAllThatTheTextNames) {
  const Program p = parse(
      "program p\ndim k = 3\ninput x[k]\nloop i = 2 carry r = x { a = 2 * r; r = a }\n"
      "loop i2 = 2 carry q = x { a = 3 * q; q = a }\na_2 = r + q\na = x\nr_next_2 = x\n"
      "output a_2\n");
  const Arrays inputs = random_inputs(p, 3);
  const Arrays out = run_all_ways(p, 3);
  for (size_t k = 0; k < 3; ++k)
    EXPECT_NEAR(out.at("a_2").get(k), 13 * inputs.at("x").get(k), 1e-5);
}

// What one program has named stays so when another takes it in.
TEST(Loop, ADefinitionSharedByTwoProgramsKeepsItsName) {
  Program p("p"), q("q");
  const Tensor x = p.define("x", 2.0), y = p.define("y", Expr(x) + 1);
  EXPECT_EQ(q.define("z", Expr(y) * 2).name(), "z");
  EXPECT_TRUE(q.find("x") && q.find("y"));
  Program r("r");
  r.input("x", {});
  try {
    r.define("z", Expr(y) * 2);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("`x` is already an input, made at "));
  }
  EXPECT_EQ(x.name(), "x");
  Program s("s");
  const Dim t("t", 3);
  const auto body = [](const std::vector<Tensor>& carried) {
    return Iteration{{2 * Expr(carried[0])}, {}, {}};
  };
  const Loop first = loop(t, {1.0}, body), second = loop(t, {2.0}, body);
  s.output("both", Expr(first.last[0]) + second.last[0]);
  EXPECT_TRUE(s.find("t_value1_so_far") && s.find("t_value1_so_far_2"));
  run_all_ways(s);
}

TEST(Loop, CumsumIsASumOverEarlierIndices) {
  const Program p = parse(
      "program p\ndim a = 3, b = 4\ninput x[a, b] : i32\ny = cumsum[b](x + 1)\n"
      "z = cumsum[a, b](x)\noutput y\noutput z\n");
  const Arrays inputs = random_inputs(p, 4);
  const Arrays out = run_all_ways(p, 4);
  for (size_t a = 0; a < 3; ++a)
    for (size_t b = 0; b < 4; ++b) {
      double row = 0, block = 0;
      for (size_t i = 0; i <= a; ++i)
        for (size_t j = 0; j <= b; ++j) block += inputs.at("x").get(4 * i + j);
      for (size_t j = 0; j <= b; ++j) row += inputs.at("x").get(4 * a + j) + 1;
      EXPECT_EQ(out.at("y").get(4 * a + b), row);
      EXPECT_EQ(out.at("z").get(4 * a + b), block);
    }
}

TEST(Loop, ComputesOnlyTheCycleInIterations) {
  const Program p = parse(
      "program rnn\ndim time = 6, a = 3, h = 2, g = 2\n"
      "input x[time, a]\nparam wx[a, h] = normal(0, 1)\nparam wh[g, h] = normal(0, 1)\n"
      "loop t over time carry s = 0.0 * sum[a](wx) collect y {\n"
      "  s = tanh(sum[a](x[time: t] * wx) + sum[g](s[h: g] * wh))\n  y = s\n}\n"
      "out = sum[h](y * y)\noutput out\n");
  std::string shape;
  for (const SequenceStep& step : sequence_of(normalize(p))) {
    if (const SequenceLoop* found = std::get_if<SequenceLoop>(&step.what)) {
      shape += "(" + found->over.name();
      for (const Tensor& tensor : tensors_of(found->body)) shape += " " + tensor.name();
      shape += ")";
    } else {
      shape += std::get<Tensor>(step.what).name() + " ";
    }
  }
  EXPECT_EQ(shape, "s_so_far_1 s_next_1 (t s_so_far s_next_1_2 s_next)y out ");
}

// d loss / d parameter against central differences, in f64, through loops of all kinds.
void expect_gradients(const std::string& body, uint64_t seed = 7) {
  Program p = parse("program g\n" + body);
  const Tensor loss = p.get("loss");
  for (const Tensor& parameter : p.parameters())
    p.output("grad_" + parameter.name(), grad(loss, parameter), parameter.dims());
  p.output("loss", loss);
  const Program normal = normalize(p);
  EXPECT_TRUE(normalize(normal) == normal) << print(normal);
  EXPECT_TRUE(parse(print(normal)) == normal) << print(normal);
  const Arrays inputs = random_inputs(p, seed);
  Arrays state = initial_state(p, seed);
  const Arrays out = interpret(normal, inputs, state);
  EXPECT_TRUE(is_normal(unroll(normal)));
  const Arrays unrolled = interpret(unroll(normal), inputs, state);
  for (const auto& [name, array] : out)
    for (size_t i = 0; i < array.size(); ++i)
      EXPECT_NEAR(unrolled.at(name).get(i), array.get(i), 1e-12 * (1 + std::abs(array.get(i))))
          << name << "\n"
          << print(unroll(normal));
  for (const Tensor& parameter : p.parameters()) {
    const Array& derived = out.at("grad_" + parameter.name());
    for (size_t i = 0; i < derived.size(); ++i) {
      double value[2];
      for (int side = 0; side < 2; ++side) {
        Arrays moved = state;
        moved.at(parameter.name())
            .set(i, state.at(parameter.name()).get(i) + (side ? -1e-5 : 1e-5));
        value[side] = interpret(normal, inputs, moved).at("loss").get(0);
      }
      EXPECT_NEAR(derived.get(i), (value[0] - value[1]) / 2e-5,
                  1e-6 * std::max(1.0, std::abs(derived.get(i))))
          << parameter.name() << " element " << i << "\n"
          << print(normal);
    }
  }
}

TEST(LoopGradient, OfARecurrentNet) {
  expect_gradients(
      "dim batch = 2, time = 4, a = 3, h = 2, g = 2\n"
      "input x[batch, time, a] : f64\nparam wx[a, h] : f64 = normal(0, 1)\n"
      "param wh[g, h] : f64 = normal(0, 1)\nparam s0[h] : f64 = normal(0, 1)\n"
      "loop t over time carry s = s0 collect y {\n"
      "  s = tanh(sum[a](x[time: t] * wx) + sum[g](s[h: g] * wh))\n  y = s\n}\n"
      "loss = sum[batch, time, h](y * y) + sum[batch, h](s)\n");
}

TEST(LoopGradient, OfTwoCarriedValuesAndAnEarlyEnd) {
  expect_gradients(
      "dim k = 3\nparam x[k] : f64 = uniform(0.5, 1.5)\nparam y : f64 = uniform(0.5, 1)\n"
      "loop i = 6 while a < 3 carry a = x, b = y * x {\n"
      "  a = a + b * 0.5\n  b = b * a\n}\nloss = sum[k](a * b)\n");
}

TEST(LoopGradient, ThroughNestedLoops) {
  expect_gradients(
      "dim k = 2\nparam x[k] : f64 = normal(0, 1)\nparam w[k] : f64 = normal(0, 1)\n"
      "loop i = 2 carry a = x {\n"
      "  loop j = 3 carry b = a * w { b = sin(b) + w }\n  a = a + b * b\n}\nloss = sum[k](a * "
      "a)\n");
}

TEST(LoopGradient, OfAGradient) {
  Program p = parse(
      "program p\ndim k = 2\nparam x[k] : f64 = normal(0, 1)\nparam w[k] : f64 = normal(0, 1)\n"
      "loop i = 3 carry a = x { a = sin(a * w) }\ninner = sum[k](a * a)\n"
      "dw = grad(inner, w)\nloss = sum[k](dw * dw * x)\n");
  expect_gradients(
      "dim k = 2\nparam x[k] : f64 = normal(0, 1)\nparam w[k] : f64 = normal(0, 1)\n"
      "loop i = 3 carry a = x { a = sin(a * w) }\ninner = sum[k](a * a)\n"
      "dw = grad(inner, w)\nloss = sum[k](dw * dw * x)\n");
}

std::string error_of(const std::string& text) {
  try {
    sequence_of(parse("program p\ndim k = 3, time = 4\ninput x[k]\ninput s[time]\n" + text));
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(LoopErrors, SayWhatIsWrong) {
  EXPECT_EQ(error_of("loop i = 3 carry r = x { q = r }\n"),
            "<text>:5:18: the loop carries `r` and no line of it says what it becomes; write r = "
            "…, or leave it out of `carry`");
  EXPECT_EQ(error_of("loop i = 3 carry r = x { r = i32(r) }\n"),
            "<text>:5:6: the carried value `r` begins as f32 and the body makes it i32; convert "
            "it, as in f32(…)");
  EXPECT_EQ(error_of("loop i = 3 carry r = 0.5 { r = i32(r) + 1 }\n"),
            "<text>:5:6: the carried value `r` begins as f32 and the body makes it i32; convert "
            "it, as in f32(…)");
  EXPECT_EQ(error_of("loop i = 3 carry r = 300 { r = u8(x) + 1 }\n"),
            "<text>:5:22: the literal 300 does not fit u8, which holds integers from 0 to 255; "
            "convert the other side, as in i32(x)");
  EXPECT_EQ(error_of("loop i = 3 carry r = 0 { r = r + x + f64(x) }\n"),
            "<text>:5:36: `+` mixes f32 and f64; convert one side, as in f32(x)");
  EXPECT_EQ(error_of("dim j = 3\nloop i = 3 carry r = x { r = r[k: j] }\n"),
            "<text>:6:6: the carried value `r` has dims k and the body gives it j; an iteration "
            "may add dims but not swap them");
  EXPECT_EQ(error_of("loop i = 3 carry r = x, r = x { r = r }\n"),
            "<text>:5:25: the loop carries `r` twice");
  EXPECT_EQ(error_of("loop i = 0 - 3 carry r = x { r = r }\n"),
            "<text>:5:12: a loop runs 0 or more times, not -3");
  EXPECT_EQ(error_of("loop i = 3 carry r = x collect y { r = r }\n"),
            "<text>:5:32: the loop collects `y`, which no line of it makes; its lines make r (did "
            "you mean `r`?)");
  EXPECT_EQ(error_of("loop i = 3 carry r = x collect r { r = r }\n"),
            "<text>:5:32: `r` is carried and means its last value after the loop; collect it under "
            "another name, as in all = r");
  EXPECT_EQ(error_of("loop i = 3 while r carry r = x { r = r }\n"),
            "<text>:5:6: the condition of a loop is a bool, not f32");
  EXPECT_EQ(error_of("loop i = 3 while r[k: 0] > 0 carry r = x collect y { r = r; y = r }\n"),
            "<text>:5:6: a loop with a condition cannot collect values: it ends after a number of "
            "iterations that only its run decides");
  EXPECT_EQ(error_of("loop i = 3 { r = r }\n"),
            "<text>:5:12: found `{` where `carry` was expected: what goes from one iteration to "
            "the next, as in loop i = 3 carry x = x0 { x = x / 2 }");
  EXPECT_EQ(error_of("loop i = 3 carry r = x { output r }\n"),
            "<text>:5:26: found `output` in the loop of line 5, which holds definitions NAME = "
            "FORMULA and loops, one a line or with `;` between them, and ends with `}`");
  EXPECT_EQ(error_of("loop i = 3 carry r = x { r = r\n"),
            "<text>:6:1: found the end of the file in the loop of line 5, which holds definitions "
            "NAME = FORMULA and loops, one a line or with `;` between them, and ends with `}`");
  EXPECT_EQ(error_of("loop t over tim carry r = x { r = r }\n"),
            "<text>:5:13: there is no dim `tim`; dims are k, time (did you mean `time`?)");
  EXPECT_EQ(error_of("loop i = 3 carry r = x { a = r; r = a; a = r }\n"),
            "<text>:5:40: `a` is already defined in this loop; choose another name");
  EXPECT_EQ(error_of("loop i = 3 carry r = x { r = r }\ny = q\n"),
            "<text>:6:5: `q` is not defined; tensors are x, s, r; dims are k, time "
            "(did you mean `x`?)");
  EXPECT_EQ(error_of("carry h over time = 0.0\nupdate h = h + s\nupdate h = h\n"),
            "<text>:7:8: `h` is already updated at <text>:6:8; an iteration updates it once");
  EXPECT_EQ(error_of("loop i = 3 carry r = 0.0 { r = r[k: 0] + x }\n"),
            "<text>:5:34: `r` has no dim `k`; it has no dims; what a loop carries can be given it "
            "where it begins, as in carry s[k] = 0.0");
  EXPECT_EQ(error_of("carry h over time = s\n"),
            "<text>:5:7: `h` is carried over `time`, so its first value must not depend on that "
            "dim; it has time");
  EXPECT_EQ(error_of("carry h over time = 0.0\n"),
            "<text>:5:7: `h` is carried over `time` and nothing says what it holds after an "
            "iteration; write update h = …");
  EXPECT_EQ(
      error_of("carry h over time = 0.0\nupdate h = h + x\n"),
      "<text>:6:8: the update of `h` has dims k, time, the tensor has time; reduce the others");
  EXPECT_EQ(error_of("carry h over time = 0.0\nupdate h = sum[time](h)\n"),
            "<text>:5:7: `h` is computed from itself; a loop may read only what earlier iterations "
            "gave, at a fixed distance, as in h[t: t - 1 pad 0]");
}

TEST(Loop, CarriesTheDimsThatItNames) {
  const Program program = parse(R"(program named
dim h = 3, g = 3, k = 2
input w[g, h]
input x[h, k]
loop i = 4 carry s[h] = 0.0, n[h, k] = 1 { s = tanh(sum[g](s[h: g] * w)) + x; n = n + 2 }
loop j = 0 carry none[h] = 0.5 { none = none[h: 2 - h] }
output s[h, k]
output n[h, k]
output none[h]
)");
  EXPECT_EQ(parse(print(program)), program);
  Arrays state;
  const Arrays outputs = interpret(program, random_inputs(program, 1), state);
  EXPECT_EQ(outputs.at("n").get(5), 9);
  EXPECT_EQ(outputs.at("none").get(2), 0.5);
}

// The condition of the only loop of a program.
std::string condition_in(const std::string& lines) {
  const Program program =
      normalize(parse("program p\ndim k = 3\ninput x[k]\n" + lines + "output r\n"));
  for (const SequenceStep& step : sequence_of(program))
    if (const SequenceLoop* loop = std::get_if<SequenceLoop>(&step.what)) {
      const std::optional<Tensor> found = condition_of(program, *loop);
      return found ? found->name() : "none";
    }
  return "no loop";
}

TEST(LoopCondition, IsFoundInWhatLoopsCarry) {
  EXPECT_EQ(condition_in("loop i = 9 while r < 5 carry r = x { r = 2 * r }\n"),
            "i_going_so_far_next");
  EXPECT_EQ(condition_in("loop i = 9 while s carry r = x, s = true { r = 2 * r; s = r < 5 }\n"),
            "i_going_so_far_next");
  EXPECT_EQ(condition_in("loop i = 9 carry r = x { r = 2 * r }\n"), "none");
  EXPECT_EQ(condition_in("loop i = 9 carry r = x, s = true {\n  s = s and r < 5\n"
                         "  r = where(s, 2 * r, r)\n}\n"),
            "s_next");
  // What changes when the bool is false, or may become true again.
  EXPECT_EQ(condition_in("loop i = 9 carry r = x, s = true {\n  s = s and r < 5\n"
                         "  r = where(s, 2 * r, r + 1)\n}\n"),
            "none");
  EXPECT_EQ(condition_in("loop i = 9 carry r = x, s = true {\n  s = r < 5\n"
                         "  r = where(s, 2 * r, r)\n}\n"),
            "none");
}

}  // namespace
}  // namespace tessera
