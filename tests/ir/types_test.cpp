#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"
#include "ir/random_inputs.h"

namespace tessera {
namespace {

Array values(DType type, const std::vector<double>& list) {
  Array array = make_array(type, {static_cast<int64_t>(list.size())});
  for (size_t i = 0; i < list.size(); ++i) array.set(i, list[i]);
  return array;
}

std::vector<double> list_of(const Array& array) {
  std::vector<double> list;
  for (size_t i = 0; i < array.size(); ++i) list.push_back(array.get(i));
  return list;
}

Arrays run(const std::string& text, const Arrays& inputs) {
  const Program program = parse(text);
  EXPECT_EQ(parse(print(program)), program) << print(program);
  Arrays state = initial_state(program, 1);
  const Arrays outputs = interpret(program, inputs, state);
  Arrays again = initial_state(program, 1);
  EXPECT_EQ(interpret(normalize(program), inputs, again), outputs) << print(normalize(program));
  return outputs;
}

TEST(SmallIntegers, WrapAndFloor) {
  const Arrays out = run(
      "program p\ndim i = 4\ninput a[i] : i8\ninput b[i] : u8\n"
      "twice = a + a\nminus = -b\nproduct = b * b\nquotient = a // 3\nrest = a % -3\n"
      "over = b // 7\nleft = b % 7\nsize = abs(a)\nnone = a // 0\nflip = a // -1\n"
      "output twice\noutput minus\noutput product\noutput quotient\noutput rest\noutput over\n"
      "output left\noutput size\noutput none\noutput flip\n",
      {{"a", values(DType::i8, {100, -128, -7, 5})}, {"b", values(DType::u8, {255, 1, 16, 200})}});
  using List = std::vector<double>;
  EXPECT_EQ(list_of(out.at("twice")), (List{-56, 0, -14, 10}));
  EXPECT_EQ(list_of(out.at("minus")), (List{1, 255, 240, 56}));
  EXPECT_EQ(list_of(out.at("product")), (List{1, 1, 0, 64}));
  EXPECT_EQ(list_of(out.at("quotient")), (List{33, -43, -3, 1}));
  EXPECT_EQ(list_of(out.at("rest")), (List{-2, -2, -1, -1}));
  EXPECT_EQ(list_of(out.at("over")), (List{36, 0, 2, 28}));
  EXPECT_EQ(list_of(out.at("left")), (List{3, 1, 2, 4}));
  EXPECT_EQ(list_of(out.at("size")), (List{100, -128, 7, 5}));
  EXPECT_EQ(list_of(out.at("none")), (List{0, 0, 0, 0}));
  EXPECT_EQ(list_of(out.at("flip")), (List{-100, -128, 7, -5}));
}

TEST(SmallIntegers, ConvertByWrappingFromIntegersAndSaturatingFromFloats) {
  const Arrays out =
      run("program p\ndim i = 5\ninput n[i] : i32\ninput x[i]\n"
          "a = i8(n)\nb = u8(n)\nc = i8(x)\nd = u8(x)\ne = f32(b)\nf = u8(a)\ng = i32(d)\n"
          "output a\noutput b\noutput c\noutput d\noutput e\noutput f\noutput g\n",
          {{"n", values(DType::i32, {300, -1, 128, 127, 65536})},
           {"x", values(DType::f32, {300.7, -5.9, 127.9, std::nan(""), -1e30})}});
  using List = std::vector<double>;
  EXPECT_EQ(list_of(out.at("a")), (List{44, -1, -128, 127, 0}));
  EXPECT_EQ(list_of(out.at("b")), (List{44, 255, 128, 127, 0}));
  EXPECT_EQ(list_of(out.at("c")), (List{127, -5, 127, 0, -128}));
  EXPECT_EQ(list_of(out.at("d")), (List{255, 0, 127, 0, 0}));
  EXPECT_EQ(list_of(out.at("e")), (List{44, 255, 128, 127, 0}));
  EXPECT_EQ(list_of(out.at("f")), (List{44, 255, 128, 127, 0}));
}

TEST(SmallIntegers, AreSummedInI32AndIndex) {
  const Arrays out = run(
      "program p\ndim i = 4, v = 300\ninput a[i] : u8\ninput table[v] : i8\n"
      "total = sum[i](a)\nproduct = prod[i](a)\ntop = max[i](a)\nbest = argmax[i](a)\n"
      "read = table[v: a]\noutput total\noutput product\noutput top\noutput best\noutput read\n",
      {{"a", values(DType::u8, {250, 255, 2, 3})}, {"table", values(DType::i8, [] {
                                                      std::vector<double> list;
                                                      for (int v = 0; v < 300; ++v)
                                                        list.push_back(v % 100);
                                                      return list;
                                                    }())}});
  EXPECT_EQ(describe(out.at("total")), "i32[]");
  EXPECT_EQ(out.at("total").get(0), 510);
  EXPECT_EQ(out.at("product").get(0), 250 * 255 * 6);
  EXPECT_EQ(describe(out.at("top")), "u8[]");
  EXPECT_EQ(out.at("best").get(0), 1);
  EXPECT_EQ(list_of(out.at("read")), (std::vector<double>{50, 55, 2, 3}));
}

TEST(SmallFloats, AreRoundedOnceWhereTheyAreStoredConvertedOrCompared) {
  // In bf16 1 + 1/256 is 1, so that each rounding shows.
  const Arrays out =
      run("program p\ndim i = 2\ninput x[i] : bf16\n"
          "kept = (x + 0.00390625 - x) * 256\n"  // no rounding in between
          "stored = x + 0.00390625\n"
          "lost = (stored - x) * 256\n"
          "cast = f32(x + 0.00390625)\n"
          "same = x + 0.00390625 == x\n"
          "total = sum[i](x + 0.00390625)\n"
          "output kept\noutput stored\noutput lost\noutput cast\noutput same\noutput total\n",
          {{"x", values(DType::bf16, {1, 1})}});
  EXPECT_EQ(out.at("kept").get(0), 1);
  EXPECT_EQ(out.at("stored").get(0), 1);
  EXPECT_EQ(out.at("lost").get(0), 0);
  EXPECT_EQ(out.at("cast").get(0), 1);
  EXPECT_EQ(out.at("same").get(0), 1);
  EXPECT_EQ(out.at("total").get(0), 2);  // of 2.0078125, halfway, to the even neighbour
}

TEST(SmallFloats, AreSummedInF32) {
  Program p("sums");
  const Dim i("i", 1000);
  const Tensor x = p.input("x", {i}, DType::bf16);
  const Tensor y = p.input("y", {i}, DType::f16);
  p.output("sum", sum(i, x));
  p.output("mean", mean(i, y));
  p.output("max", max(i, y * y));
  EXPECT_EQ(print(p).find("bf16(sum[i](f32(x)))") == std::string::npos, false) << print(p);
  Array ones = make_array(DType::bf16, {1000});
  Array large = make_array(DType::f16, {1000});
  for (size_t k = 0; k < 1000; ++k) ones.set(k, 1), large.set(k, 300);
  Arrays state;
  const Arrays out = interpret(p, {{"x", ones}, {"y", large}}, state);
  EXPECT_EQ(out.at("sum").get(0), 1000);  // in bf16 alone it would stop at 256
  EXPECT_EQ(out.at("mean").get(0), 300);  // the total is beyond f16
  EXPECT_TRUE(std::isinf(out.at("max").get(0)));
}

TEST(SmallFloats, HaveGradients) {
  for (const char* type : {"bf16", "f16"}) {
    const std::string text = std::string("program p\ndim i = 5, k = 7\ninput x[i, k] : ") + type +
                             "\nparam w[k] : " + type +
                             " = uniform(-1, 1)\n"
                             "loss = sum[i](tanh(sum[k](x * w)) ** 2.0)\ng = grad(loss, w)\n"
                             "output g\n";
    std::string exact = text;
    for (size_t at; (at = exact.find(type)) != std::string::npos;)
      exact.replace(at, std::string(type).size(), "f64");
    const Program small = parse(text), wide = parse(exact);
    const Arrays inputs = random_inputs(small, 3);
    Arrays state = initial_state(small, 1);
    const auto widened = [](const Arrays& arrays) {
      Arrays result;
      for (const auto& [name, array] : arrays) {
        Array copy = make_array(DType::f64, array.shape);
        for (size_t i = 0; i < array.size(); ++i) copy.set(i, array.get(i));
        result[name] = copy;
      }
      return result;
    };
    Arrays wide_state = widened(state);
    const Array found = interpret(small, inputs, state).at("g");
    const Array wanted = interpret(wide, widened(inputs), wide_state).at("g");
    EXPECT_EQ(std::string(name_of(found.type)), type);
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(found.get(i), wanted.get(i), std::string(type) == "f16" ? 0.01 : 0.06);
  }
}

std::string error_of(const std::string& lines) {
  try {
    parse(
        "program p\ndim i = 3\ninput x[i] : u8\ninput y[i] : bf16\ninput z[i]\ninput h[i] : f16\n" +
        lines + "\n");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Types, SayWhatDoesNotFit) {
  EXPECT_EQ(error_of("v = x + 300"),
            "<text>:7:9: the literal 300 does not fit u8, which holds integers from 0 to 255; "
            "convert the other side, as in i32(x)");
  EXPECT_EQ(error_of("v = -1 * x"),
            "<text>:7:5: the literal -1 does not fit u8, which holds integers from 0 to 255; "
            "convert the other side, as in i32(x)");
  EXPECT_EQ(error_of("v = h * 100000.0"),
            "<text>:7:9: the literal 100000 does not fit f16, which holds numbers up to 65504; "
            "write inf, or convert the other side, as in f32(x)");
  EXPECT_EQ(error_of("v = y + z"),
            "<text>:7:7: `+` mixes bf16 and f32; convert one side, as in bf16(x)");
  EXPECT_EQ(error_of("v = x + i32(x)"),
            "<text>:7:7: `+` mixes u8 and i32; convert one side, as in u8(x)");
  EXPECT_EQ(error_of("v = exp(x)"),
            "<text>:7:5: `exp` takes a float (f32, f64, bf16 or f16), not u8");
  EXPECT_EQ(error_of("v = x[i: i - 1 pad 256]"),
            "<text>:7:20: the pad 256 does not fit a tensor of type u8, which holds integers from "
            "0 to 255");
  EXPECT_EQ(error_of("param w[i] : i8 = 200"),
            "<text>:7:7: `w` starts at 200, which i8 does not hold; it holds integers "
            "from -128 to 127");
  EXPECT_EQ(error_of("loss = sum[i](y)\ng = grad(loss, x)"),
            "<text>:8:5: `x` is u8, and only floats have gradients; declare it as f32, f64, bf16 "
            "or f16 (it is made "
            "at <text>:3:7)");
}

// Far below what the stacks of the passes can hold; names start anew.
TEST(Types, FormulasHaveAHeightThatEndsInAnError) {
  Program p("high");
  const Dim i("i", 3);
  const Tensor x = p.input("x", {i});
  Expr e = x;
  try {
    for (int k = 0; k < 2000000; ++k) e = e + 1.0;
    FAIL() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("the formula nests more than 4000 operations"));
  }
  e = x;
  for (int k = 0; k < 3000; ++k) e = p.define("part" + std::to_string(k), 0.5 * e + 1.0);
  p.output("y", e);
  Arrays state;
  EXPECT_EQ(interpret(normalize(p), {{"x", make_array(DType::f32, {3})}}, state).at("y").get(0), 2);
}

}  // namespace
}  // namespace tessera
