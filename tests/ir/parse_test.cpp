#include "ir/parse.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/print.h"
#include "ir/random.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

// How the right side of `v = …` reads back, over float scalars a, b, c and booleans p, q.
std::string reads_as(const std::string& formula) {
  const Program program = parse(
      "program p\ndim i = 4, j = 6\ninput a\ninput b\ninput c\ninput p : bool\ninput q : bool\n"
      "input n : i32\ninput x[i, j]\nv = " +
      formula + "\n");
  return print(program.get("v").value());
}

TEST(Parse, FollowsTheUsualPrecedence) {
  EXPECT_EQ(reads_as("a + b * c"), "a + b * c");
  EXPECT_EQ(reads_as("(a + b) * c"), "(a + b) * c");
  EXPECT_EQ(reads_as("((a - b)) - c"), "a - b - c");
  EXPECT_EQ(reads_as("a - (b - c)"), "a - (b - c)");
  EXPECT_EQ(reads_as("a / b / c * a"), "a / b / c * a");
  EXPECT_EQ(reads_as("a ** b ** c"), "a ** b ** c");
  EXPECT_EQ(reads_as("a ** (b ** c)"), "a ** b ** c");
  EXPECT_EQ(reads_as("(a ** b) ** c"), "(a ** b) ** c");
  EXPECT_EQ(reads_as("-a ** b"), "-a ** b");
  EXPECT_EQ(reads_as("-(a ** b)"), "-a ** b");
  EXPECT_EQ(reads_as("(-a) ** b"), "(-a) ** b");
  EXPECT_EQ(reads_as("a ** -b"), "a ** -b");
  EXPECT_EQ(reads_as("-a * b"), "-a * b");
  EXPECT_EQ(reads_as("a - -b"), "a - -b");
  EXPECT_EQ(reads_as("not p and q"), "not p and q");
  EXPECT_EQ(reads_as("not (p and q)"), "not (p and q)");
  EXPECT_EQ(reads_as("not a < b"), "not a < b");
  EXPECT_EQ(reads_as("p or q and p"), "p or q and p");
  EXPECT_EQ(reads_as("(p or q) and p"), "(p or q) and p");
  EXPECT_EQ(reads_as("a + b < b * c and p"), "a + b < b * c and p");
  EXPECT_EQ(reads_as("(a < b) == p"), "(a < b) == p");
  EXPECT_EQ(reads_as("n // 2 * 3 % 4"), "n // 2 * 3 % 4");
}

// Brackets, not signs: (-2) ** 2 is 4 and -2 ** 2 is -4.
// In C++, too, a product of literals that leaves i32 is i64.
TEST(Expr, FoldsIntegerLiteralsWithoutWrapping) {
  const Expr product = Expr(100000) * Expr(100000);
  EXPECT_EQ(product.type(), DType::i64);
  EXPECT_EQ(as<Constant>(product)->value.i, 10000000000);
  EXPECT_EQ((Expr(1000) * Expr(1000)).type(), DType::i32);
}

TEST(Parse, FoldsLiterals) {
  EXPECT_EQ(reads_as("a * (-2.0) ** 2"), "a * 4.0");
  EXPECT_EQ(reads_as("a * -2.0 ** 2"), "a * -4.0");
  EXPECT_EQ(reads_as("a * (7 // -2)"), "a * -4.0");
  EXPECT_EQ(reads_as("n * (7 % -2)"), "n * -1");
  EXPECT_EQ(reads_as("2 * pi * a"), "6.2831855 * a");
  EXPECT_EQ(reads_as("1 / 4 * a"), "0.25 * a");
  EXPECT_EQ(reads_as("sqrt(4) + a"), "2.0 + a");
  EXPECT_EQ(reads_as("where(a < -inf, nan, a)"), "where(a < -inf, nan, a)");
  EXPECT_EQ(reads_as("where(true, 1, 2)"), "where(true, 1, 2)");
  EXPECT_EQ(reads_as("100000 * 100000"), "i64(10000000000)");
  EXPECT_EQ(reads_as("-2147483648 // -1 + i64(n)"), "2147483648 + i64(n)");
  EXPECT_EQ(reads_as("i64(n) + 3000000000"), "i64(n) + 3000000000");
}

TEST(Parse, IndexesByName) {
  EXPECT_EQ(reads_as("x[i: j // 2, j: i]"), "x[i: j // 2, j: i]");
  EXPECT_EQ(reads_as("x[i: i, j: j]"), "x");
  EXPECT_EQ(reads_as("x[j: j - 1 pad 0]"), "x[j: j - 1 pad 0.0]");
  EXPECT_EQ(reads_as("x[j: 2*i pad -inf][i: 0]"), "x[i: 0, j: i32(2) * 0 pad -inf]");
  EXPECT_EQ(reads_as("x[i: n]"), "x[i: n]");
  EXPECT_EQ(reads_as("sum[i, j](x * f32(i < j))"), "sum[i, j](x * f32(i < j))");
  EXPECT_EQ(reads_as("max[i](x) + max(a, b)"), "max[i](x) + max(a, b)");
  EXPECT_EQ(reads_as("mean[i](x)"), "sum[i](x) / 4.0");
  EXPECT_EQ(reads_as("argmax[j](x) + argmin[i](x[j: 0])"), "argmax[j](x) + argmin[i](x[j: 0])");
}

// A formula that is indexed becomes a definition, as in C++.
TEST(Parse, NamesAFormulaThatIsIndexedAfterItsReader) {
  const Program program =
      parse("program p\ndim i = 4\ninput x[i]\nv.1 = x + 1\nv = (x * 2)[i: 3 - i]\n");
  EXPECT_EQ(print(program.get("v").value()), "v.2[i: 3 - i]");
  EXPECT_EQ(print(program.get("v.2").value()), "x * 2.0");
}

TEST(Parse, TakesNewlinesInsideBracketsAndComments) {
  const Program program = parse(
      "\xEF\xBB\xBF# first\n\n  program p # the name\r\n\ndim i = 2\r\ninput x[\n  i  # a dim\n]\n"
      "v = sum[i](\n  x\n  + 1  # one\n)");
  EXPECT_EQ(print(program.get("v").value()), "sum[i](x + 1.0)");
  EXPECT_EQ(program.get("v").where().str(), "<text>:9:1");
}

TEST(Parse, EvaluatesDims) {
  const std::string text =
      "program p\ndim a = 15, k = 3\ndim o = (a - k) // 2 + 1, r = -7 // 2 + 5, m = -7 % 4\n";
  const Dims dims = parse(text).dims();
  EXPECT_EQ(extents(dims), (std::vector<int64_t>{15, 3, 7, 1, 1}));
  ParseOptions options;
  options.dims = {{"a", 31}, {"m", 9}};
  EXPECT_EQ(extents(parse(text, options).dims()), (std::vector<int64_t>{31, 3, 15, 1, 9}));
}

TEST(Parse, ReadsTheBorder) {
  const Program p = parse(
      "program p\ndim a = 2, b = 3\ninput x[b, a] : f64\ninput s : bool\nparam w[a]\n"
      "param v[a] = normal(0, 1 / 20)\nstate z[a] : i64 = -3\nparam g[a, b] = glorot()\n"
      "param h[a, b] = he()\nparam u[a] = uniform(-pi, pi)\nstate q : bool = true\n");
  EXPECT_EQ(names(p.get("x").dims()), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(p.get("x").type(), DType::f64);
  EXPECT_EQ(p.get("s").type(), DType::b8);
  EXPECT_EQ(p.get("w").initializer(), zeros());
  EXPECT_EQ(p.get("v").initializer(), normal(0, 0.05));
  EXPECT_EQ(p.get("z").initializer(), constant(-3));
  EXPECT_EQ(p.get("z").role(), Role::state);
  EXPECT_EQ(p.get("g").initializer(), glorot());
  EXPECT_EQ(p.get("h").initializer(), he());
  EXPECT_EQ(p.get("q").initializer(), constant(1));
  EXPECT_TRUE(parse(print(p)) == p);
}

TEST(Parse, PutsDefsIn) {
  const std::string text =
      "program p\ndim y = 9, ky = 3, oy = 4, h = 9, kh = 3, oh = 4, b = 2\n"
      "input x[b, y]\ninput w[ky]\ninput image[b, h]\ninput filter[kh]\n"
      "def relu(v) = max(v, 0)\n"
      "def conv[y, ky, oy](t, f, s) = sum[ky](t[y: s*oy + ky] * f)\n"
      "one = relu(conv(x, w, 2))\n"
      "two = conv[h, kh, oh](image, filter, 2)\n"
      "three = conv[h, kh, oh](image * 2, filter, 1)\n";
  const Program p = parse(text);
  EXPECT_EQ(print(p.get("one").value()), "max(sum[ky](x[y: 2 * oy + ky] * w), 0.0)");
  EXPECT_EQ(print(p.get("two").value()), "sum[kh](image[h: 2 * oh + kh] * filter)");
  EXPECT_EQ(print(p.get("three").value()), "sum[kh](three.1[h: 1 * oh + kh] * filter)");
  EXPECT_EQ(names(p.get("one").dims()), (std::vector<std::string>{"oy", "b"}));
  EXPECT_TRUE(parse(print(p)) == p);
}

TEST(Parse, OrdersOutputsAsWrittenOrAsTheDimsAre) {
  const Program p = parse(
      "program p\ndim a = 2, b = 3\ninput x[b, a]\ny = x * 2\nz[b, a] = x\noutput y[b, a]\n"
      "output z\noutput x\noutput other = y\n");
  EXPECT_EQ(names(p.outputs()[0].order), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(names(p.outputs()[1].order), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(names(p.outputs()[2].order), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(p.outputs()[3].value.name(), "y");
  EXPECT_EQ(names(p.get("z").dims()), (std::vector<std::string>{"b", "a"}));
  EXPECT_TRUE(parse(print(p)) == p);
}

TEST(Parse, StatementWordsMayBeNames) {
  const Program p = parse(
      "program program\ndim dim = 2\ninput input[dim]\nstate = input * 2\n"
      "output = state + 1\noutput output\noutput state[dim]\n");
  EXPECT_EQ(p.name(), "program");
  EXPECT_EQ(p.outputs().size(), 2u);
  EXPECT_TRUE(parse(print(p)) == p);
}

TEST(Parse, TellsExtents) {
  const std::string text =
      "program p\ndim k = 5, `a b` = 3\ninput x[k]\n"
      "def last[d](v) = v[d: extent(d) - 1]\n"
      "y = last[k](x) + x[k: k % extent(k)] / extent(`a b`)\noutput y\n";
  EXPECT_NE(print(parse(text)).find("x[k: 4]"), std::string::npos) << print(parse(text));
  EXPECT_NE(print(parse(text)).find("k % 5"), std::string::npos);
  EXPECT_NE(print(parse(text)).find("/ 3"), std::string::npos);
  ParseOptions options;
  options.dims["k"] = 7;
  EXPECT_NE(print(parse(text, options)).find("x[k: 6]"), std::string::npos);
  // Tensors and defs may have that name.
  EXPECT_NE(print(parse("program p\ndim k = 5\ninput extent[k]\ny = extent * extent(k)\n"
                        "output y\n"))
                .find("extent * 5"),
            std::string::npos);
  EXPECT_NE(print(parse("program p\ndim k = 5\ninput x[k]\ndef extent(v) = 2 * v\n"
                        "y = extent(x)\noutput y\n"))
                .find("2.0 * x"),
            std::string::npos);
}

TEST(Parse, PinsSeveralDims) {
  const Program p = parse("program p\ndim a = 2, b = 3\nparam w[a, b]\npin w[a: data, b: model]\n");
  ASSERT_EQ(p.pins().size(), 2u);
  EXPECT_EQ(p.pins()[1], (Pin{"w", "b", "model", {}}));
  EXPECT_EQ(p.pins()[1].where.str(), "<text>:4:16");
}

TEST(Parse, ReadsTheProgramOfTheDesign) {
  const Program p = parse(R"(
program conv_capsules

dim batch = 64, y = 15, x = 15, oy = 7, ox = 7, ky = 3, kx = 3
dim cin = 32, cout = 32, row = 4, mid = 4, col = 4

input pose[batch, y, x, cin, row, mid]                    # f32 unless a type follows: `: i32`
param w[ky, kx, cin, cout, mid, col] = normal(0, 0.05)

vote = pose[y: 2*oy + ky, x: 2*ox + kx] * w               # a product per child, not yet summed
caps = sum[ky, kx, cin, mid](vote)
output caps[batch, oy, ox, cout, row, col]
)");
  EXPECT_EQ(p.get("caps").dims().size(), 6u);
  EXPECT_TRUE(parse(print(p)) == p);
}

TEST(Parse, TrainsTheShippedProgram) {
  const Program p = parse_file(TESSERA_SOURCE_DIR "/configs/programs/softmax_regression.tess",
                               {{"batch", 16}, {"pixel", 9}, {"label", 3}});
  EXPECT_TRUE(parse(print(p)) == p);
  Arrays inputs = random_inputs(p, 1);
  Arrays state = initial_state(p, 1);
  const double first = interpret(p, inputs, state).at("loss").get(0);
  for (int step = 0; step < 50; ++step) interpret(p, inputs, state);
  const Arrays last = interpret(p, inputs, state);
  EXPECT_GT(first, 0.9);
  EXPECT_LT(last.at("loss").get(0), 0.75 * first);
  EXPECT_GE(last.at("accuracy").get(0), 0.5);
  EXPECT_LE(last.at("accuracy").get(0), 1);
}

TEST(Parse, ReadsWhatTheFuzzerStartsFrom) {
  const Program p = parse_file(TESSERA_SOURCE_DIR "/tests/fuzz/programs/loops.tess");
  EXPECT_TRUE(parse(print(p)) == p);
  EXPECT_EQ(p.outputs().size(), 5u);
}

// Every program in docs/reference.md that starts with `program` is one.
TEST(Parse, ReadsTheProgramsOfTheReference) {
  std::ifstream file(TESSERA_SOURCE_DIR "/docs/reference.md");
  std::string line, text;
  bool inside = false;
  int programs = 0;
  while (std::getline(file, line)) {
    if (line == "```tess") {
      inside = true;
      text.clear();
    } else if (line == "```" && inside) {
      inside = false;
      const Program p = parse(text, {"docs/reference.md", {}});
      EXPECT_TRUE(parse(print(p)) == p) << text;
      EXPECT_FALSE(p.outputs().empty()) << text;
      ++programs;
    } else if (inside) {
      text += line + "\n";
    }
  }
  EXPECT_GE(programs, 4);
}

}  // namespace
}  // namespace tessera
