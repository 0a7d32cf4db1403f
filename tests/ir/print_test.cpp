#include "ir/print.h"

#include <gtest/gtest.h>

#include <limits>

#include "ir/functions.h"
#include "ir/parse.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

// The text of the one definition `v` after the program went through its text form once.
std::string definition_text(Program& program, const Expr& value) {
  program.define("v", value);
  const std::string text = print(program);
  const Program back = parse(text);
  EXPECT_TRUE(back == program) << text;
  EXPECT_EQ(print(back), text);
  const size_t begin = text.find("\nv");
  return text.substr(begin + 1, text.find('\n', begin + 1) - begin - 1);
}

struct Printing : testing::Test {
  Dim i{"i", 4}, j{"j", 6}, k{"k", 3};
  Program program{"p"};
  Tensor x = program.input("x", {i, j});
  Tensor y = program.input("y", {j}, DType::f64);
  Tensor n = program.input("n", {i}, DType::i32);
  Tensor big = program.input("big", {i}, DType::i64);
  Tensor m = program.input("m", {i}, DType::b8);

  std::string text(const Expr& value) { return definition_text(program, value); }
  static Expr typed(DType type, double value) {
    return make_constant(Scalar::of_number(type, value));
  }
};

TEST_F(Printing, WritesTheFewestParentheses) {
  EXPECT_EQ(print((x + 1) * x - x / (x - 2)), "(x + 1.0) * x - x / (x - 2.0)");
  EXPECT_EQ(print(x - (x - x)), "x - (x - x)");
  EXPECT_EQ(print(x - x - x), "x - x - x");
  EXPECT_EQ(print(x * (x * x)), "x * (x * x)");
  EXPECT_EQ(print(-(x + x) * -x), "-(x + x) * -x");
  EXPECT_EQ(print(pow(-x, 2.0)), "(-x) ** 2.0");
  EXPECT_EQ(print(-pow(x, -pow(x, 2.0))), "-x ** -x ** 2.0");
  EXPECT_EQ(print(pow(pow(x, 2.0), 0.5)), "(x ** 2.0) ** 0.5");
  EXPECT_EQ(print(!(m && !m) || m), "not (m and not m) or m");
  EXPECT_EQ(print((m || m) && m), "(m or m) and m");
  EXPECT_EQ(print(equal(x < 1.0, m)), "(x < 1.0) == m");
  EXPECT_EQ(print(floordiv(n, 2) % 3), "n // 2 % 3");
  EXPECT_EQ(print(max(x, 0.0) + max(j, x)), "max(x, 0.0) + max[j](x)");
  EXPECT_EQ(print(where(m, x, 0.0)), "where(m, x, 0.0)");
}

TEST_F(Printing, WritesATypeOnlyWhereTheContextGivesAnother) {
  EXPECT_EQ(text(y * 0.1), "v = y * 0.1");
  EXPECT_EQ(print(typed(DType::f64, 0.5) + typed(DType::f64, 1)), "f64(0.5) + 1.0");
  EXPECT_EQ(print(Expr(big) * typed(DType::i64, 5000000000)), "big * 5000000000");
  EXPECT_EQ(print(typed(DType::f32, 2)), "2.0");
  EXPECT_EQ(print(typed(DType::f64, 2)), "f64(2.0)");
  EXPECT_EQ(print(typed(DType::i64, 2)), "i64(2)");
  EXPECT_EQ(print(-typed(DType::f32, 5)), "-f32(5.0)");
  EXPECT_EQ(print(exp(typed(DType::f32, 1))), "exp(f32(1.0))");
  EXPECT_EQ(print(where(m, typed(DType::f32, 1), typed(DType::f32, 0))), "where(m, 1.0, 0.0)");
  EXPECT_EQ(print(where(m, typed(DType::i64, 1), typed(DType::i64, 0))), "where(m, i64(1), 0)");
  EXPECT_EQ(print(typed(DType::i32, 1) < typed(DType::i32, 2)), "1 < 2");
  EXPECT_EQ(print(Expr(n) + Expr(big)), "i64(n) + big");
}

TEST_F(Printing, KeepsEveryConstantExactly) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<std::pair<double, std::string>> cases = {
      {3.0, "3.0"},        {-0.0, "-0.0"},
      {0.1, "0.1"},        {1e30, "1e+30"},
      {-2.5, "-2.5"},      {infinity, "inf"},
      {-infinity, "-inf"}, {1.0 / 3, "0.33333334"},
      {1e-45, "1e-45"},    {std::numeric_limits<double>::quiet_NaN(), "nan"}};
  for (const auto& [value, wanted] : cases) {
    Program each("p");
    EXPECT_EQ(definition_text(each, typed(DType::f32, value)), "v = " + wanted);
  }
  for (const double value : {5e-324, 1.7976931348623157e308, 0.1, 1e22, 123456789.125}) {
    Program each("p");
    definition_text(each, typed(DType::f64, value));
  }
  for (const int64_t value : {INT64_MIN, INT64_MAX, int64_t{INT32_MIN} - 1, int64_t{0}}) {
    Program each("p");
    definition_text(each, make_constant(Scalar::of_int(DType::i64, value)));
  }
  Program least("p");
  EXPECT_EQ(definition_text(least, typed(DType::i32, INT32_MIN)), "v = -2147483648");
}

TEST_F(Printing, WritesOnlyTheIndicesThatChange) {
  EXPECT_EQ(print(x.at(j, 2 * index(k) + 1)), "x[j: 2 * k + 1]");
  EXPECT_EQ(print(x.at(i, index(k)).at(j, index(k), 0.0)), "x[i: k, j: k pad 0.0]");
  EXPECT_EQ(print(x.at(j, index(j) - 1, -std::numeric_limits<double>::infinity())),
            "x[j: j - 1 pad -inf]");
  EXPECT_EQ(print(x.at(j, 0)), "x[j: 0]");
  EXPECT_EQ(print(x.at(i, Expr(n))), "x[i: n]");
  EXPECT_EQ(print(m.at(i, index(k) - 1, 0)), "m[i: k - 1 pad false]");
  // Both at once: the rows and columns change places.
  const Expr swapped = make_read(x, {{make_index(k), false}, {make_index(i), false}}, {});
  EXPECT_EQ(text(swapped), "v = x[i: k, j: i]");
}

TEST_F(Printing, GivesDimsOfOneNameDifferentNames) {
  const Dim other("k", 4), third("x", 2);
  const Expr value = sum(k, x.at(j, index(k))) + sum(other, cast(DType::f32, index(other)));
  program.define("a", value);
  program.define("b", x.at(i, index(third)));
  const std::string text = print(program);
  EXPECT_NE(text.find("dim i = 4, j = 6, k = 3, k_2 = 4, x_2 = 2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("a = sum[k](x[j: k]) + sum[k_2](f32(k_2))\n"), std::string::npos) << text;
  EXPECT_NE(text.find("b = x[i: x_2]\n"), std::string::npos) << text;
  EXPECT_TRUE(parse(text) == program);
}

TEST_F(Printing, WritesTheOrderOfDimsWhereItIsNotThatOfMaking) {
  program.define("a", x + 1.0, std::source_location::current(), {j, i});
  program.define("b", 1.5, std::source_location::current(), {i});
  const std::string text = print(program);
  EXPECT_NE(text.find("a[j, i] = x + 1.0\nb[i] = 1.5\n"), std::string::npos) << text;
  EXPECT_TRUE(parse(text) == program);
}

TEST(Print, QuotesNamesThatMeanSomethingElse) {
  const Dim d("2 d", 3), sum_dim("sum", 2);
  Program program("a `b`\\");
  const Tensor x = program.input("exp", {d, sum_dim});
  const Tensor out = program.define("layer1.out put", sum(sum_dim, x));
  program.output("layer1.out put", out);
  const Tensor output = program.define("output", Expr(out) * 2.0);
  program.output("output", output);
  const std::string text = print(program);
  EXPECT_EQ(text,
            "program `a \\`b\\`\\\\`\n\n"
            "dim `2 d` = 3, `sum` = 2\n\n"
            "input `exp`[`2 d`, `sum`]\n\n"
            "`layer1.out put` = sum[`sum`](`exp`)\n"
            "output = `layer1.out put` * 2.0\n\n"
            "output `layer1.out put`[`2 d`]\n"
            "output output[`2 d`]\n");
  EXPECT_TRUE(parse(text) == program);
}

TEST(Print, WritesAWholeProgram) {
  const Dim batch("batch", 8), pixel("pixel", 5), label("label", 3);
  Program step("step");
  const Tensor image = step.input("image", {batch, pixel});
  const Tensor truth = step.input("truth", {batch}, DType::i32);
  const Tensor w = step.parameter("w", {label, pixel}, normal(0, 0.05));
  const Tensor b = step.parameter("b", {label});
  const Tensor count = step.state("count", {}, constant(1), DType::i64);
  const Tensor score = Tensor(sum(pixel, image * w) + b);
  const Tensor loss = step.define("loss", mean(batch, Expr(score).at(label, Expr(truth))));
  step.update(w, w - 0.5 * grad(loss, w));
  step.update(b, 0.0);
  step.update(count, Expr(count) + 1);
  step.output("loss", loss);
  step.output("score", score, {label, batch});
  step.pin("w", "pixel", "model");
  const std::string text = print(step);
  EXPECT_EQ(text, R"(program step

dim batch = 8, pixel = 5, label = 3

input image[batch, pixel]
input truth[batch] : i32
param w[label, pixel] = normal(0, 0.05)
param b[label]
state count : i64 = 1

loss.1 = sum[pixel](image * w) + b
loss = sum[batch](loss.1[label: truth]) / 8.0
update w = w - 0.5 * grad(loss, w)
update b = 0.0
update count = count + 1
score[label, batch] = loss.1

output loss
output score[label, batch]
pin w[pixel: model]
)");
  EXPECT_TRUE(parse(text) == step);
}

// An update whose value has other uses keeps its definition.
TEST(Print, KeepsTheValueOfAnUpdateThatIsReadElsewhere) {
  Program program("p");
  const Tensor w = program.parameter("w", {});
  program.update(w, w + 1.0);
  const Tensor next = program.get("w_next");
  program.output("w_next", next);
  const std::string text = print(program);
  EXPECT_NE(text.find("w_next = w + 1.0\n\nupdate w = w_next\noutput w_next\n"), std::string::npos)
      << text;
  EXPECT_TRUE(parse(text) == program);
}

TEST(Print, NamesTheTensorOfAnOutputThatIsCalledDifferently) {
  Program program("p");
  const Tensor x = program.input("x", {});
  const Tensor a = program.define("a", x + 1.0);
  program.output("a", a);
  program.add_output({"b", a, {}});
  const std::string text = print(program);
  EXPECT_NE(text.find("output a\noutput b = a\n"), std::string::npos) << text;
  EXPECT_TRUE(parse(text) == program);
}

TEST(Print, BreaksLongLinesOfDims) {
  Program program("p");
  for (int i = 0; i < 30; ++i) program.declare(Dim("dimension" + std::to_string(i), i));
  const std::string text = print(program);
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    EXPECT_LE(end - begin, 100u);
    begin = end + 1;
  }
  EXPECT_TRUE(parse(text) == program);
}

TEST(RoundTrip, TenThousandRandomPrograms) {
  for (uint64_t seed = 0; seed < 10000; ++seed) {
    RandomProgramOptions options;
    options.gradients = seed % 3 == 0;
    options.small_types = seed % 2 == 0;
    options.loops = seed % 5 == 0;
    const Program program = random_program(seed, options);
    const std::string text = print(program);
    const Program back = parse(text);
    ASSERT_TRUE(back == program) << "seed " << seed << "\n" << text << "\n" << print(back);
    ASSERT_EQ(print(back), text) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tessera
