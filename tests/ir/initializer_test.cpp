#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "ir/fans.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"

namespace tessera {
namespace {

// "in 30 out 10" for w in a program of two layers, whose later lines are `more`.
std::string fans(const std::string& more, const std::string& first = "") {
  const Program p = parse(
      "program p\ndim b = 7, i = 50, h = 40, o = 30\ninput x[b, i]\nparam w[i, h] = glorot()\n"
      "param v[h, o] = glorot()\nstate count : i64\n" +
      first + "a = tanh(sum[i](x * w))\n" + more);
  const Fans found = FanFinder(p).of(p.get("v"));
  return std::to_string(static_cast<int>(found.in)) + " to " +
         std::to_string(static_cast<int>(found.out));
}

// The interpreter starts from the program as it is written, ranks from its normal form.
void expect_same_start(const std::string& text) {
  const Program program = parse(text);
  const Program normal = normalize(program);
  for (const auto& [name, array] : initial_state(program, 3)) {
    const Array other =
        initial_values(normal, normal.get(name), 3, whole(program.get(name).dims()));
    for (size_t i = 0; i < array.size(); ++i) ASSERT_EQ(array.get(i), other.get(i)) << name;
  }
  EXPECT_TRUE(parse(print(normal)) == normal);
  EXPECT_TRUE(normalize(normal) == normal);
}

TEST(Fans, FollowFromTheFirstSumInWhichTheParameterMeetsSomethingElse) {
  EXPECT_EQ(fans("y = sum[h](a * v)\n"), "40 to 30");
  EXPECT_EQ(fans("y = mean[h](a * v)\n"), "40 to 30");
  // A sum around it takes other dims away, also in the same line.
  EXPECT_EQ(fans("loss = sum[b, o](sum[h](a * v) * sum[h](a * v))\n"), "40 to 30");
  EXPECT_EQ(fans("y = sum[b](sum[h](a * v))\n"), "40 to 30");
  // Through names of its own, in pieces, along other dims and through a function of the tensor.
  EXPECT_EQ(fans("half = 0.5 * v\ny = sum[h](a * half)\n"), "40 to 30");
  EXPECT_EQ(fans("z = a * v\ny = sum[h](z)\n"), "40 to 30");
  EXPECT_EQ(fans("y = sum[i](x * v[h: i % 40])\n"), "40 to 30");
  EXPECT_EQ(fans("def dense[k](s, t) = sum[k](s * t)\ny = dense[h](a, v)\n"), "40 to 30");
  EXPECT_EQ(fans("y = sum[h](sin(f32(b + h)) * v)\n"), "40 to 30");
  EXPECT_EQ(fans("y = sum[h](sum[o](a * sin(f32(o)) * v))\n"), "1200 to 1");
  // Tied to another layer, the first use says it.
  EXPECT_EQ(fans("y = sum[h](a * v)\nback = sum[o](y * v)\n"), "40 to 30");
}

TEST(Fans, TakeNoNoticeOfGradientsUpdatesAndNorms) {
  const std::string line = "y = sum[h](a * v)\nloss = mean[b, o](y * y)\n";
  const std::string norm = "norm = sum[h, o](v * v)\n";
  EXPECT_EQ(fans(line + "update v = v - 0.1 * grad(loss, v)\n"), "40 to 30");
  EXPECT_EQ(fans(line + "dv = grad(loss, v)\nsize = sum[h, o](dv * dv)\n"), "40 to 30");
  EXPECT_EQ(fans(line + norm), "40 to 30");
  EXPECT_EQ(fans(line, norm), "40 to 30");
  EXPECT_EQ(fans(line, norm + "total = sqrt(norm) + 1.0\n"), "40 to 30");
  EXPECT_EQ(fans("n = v / sqrt(sum[h](v * v))\ny = sum[h](a * n)\n"), "40 to 30");
  EXPECT_EQ(fans("update v = 0.5 * v\n"), "1 to 1200");
}

TEST(Fans, AreWrittenDownInNormalForm) {
  const std::string text =
      "program p\ndim b = 7, i = 50, h = 40, o = 30\ninput x[b, i]\nparam w[i, h] = he()\n"
      "param v[h, o] = glorot()\nparam u[o] = glorot(30, 2)\nparam t[o] = he(5)\n"
      "a = tanh(sum[i](x * w))\ny = sum[h](a * v) + u * t\nloss = mean[b, o](y * y)\n";
  const std::string updates =
      "update w = w - 0.1 * grad(loss, w)\nupdate v = v - 0.1 * grad(loss, v)\n";
  for (const std::string& all : {text + "output loss\n", text + updates + "output loss\n"}) {
    expect_same_start(all);
    const std::string normal = print(normalize(parse(all)));
    for (const char* line : {"param w[i, h] = he(50)\n", "param v[h, o] = glorot(40, 30)\n",
                             "param u[o] = glorot(30, 2)\n", "param t[o] = he(5)\n"})
      EXPECT_NE(normal.find(line), std::string::npos) << line << normal;
  }
}

TEST(Initializer, SpreadsByItsFans) {
  const auto mean_square = [](const std::string& init) {
    const Program p = parse("program p\ndim n = 4000\nparam w[n] = " + init + "\noutput w\n");
    const Array values = initial_values(p, p.get("w"), 1, whole(p.get("w").dims()));
    double square = 0;
    for (size_t i = 0; i < values.size(); ++i) square += values.get(i) * values.get(i);
    return square / 4000;
  };
  EXPECT_NEAR(mean_square("he(50)"), 2.0 / 50, 0.003);
  EXPECT_NEAR(mean_square("glorot(50, 10)"), 2.0 / 60, 0.002);
}

std::string error_of(const std::string& border) {
  try {
    parse("program p\ndim k = 3\n" + border + "\noutput w\n");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Initializer, HoldsWhatIsWritten) {
  EXPECT_EQ(error_of("param w[k] = 1e39"),
            "<text>:3:7: `w` starts at 1e+39, which f32 does not hold; it holds numbers up to "
            "3.4028e+38");
  EXPECT_EQ(error_of("state w[k] : i32 = 1.5"),
            "<text>:3:7: `w` starts at 1.5, which i32 does not hold; it holds integers from "
            "-2147483648 to 2147483647");
  EXPECT_EQ(error_of("state w[k] : f16 = 70000.0"),
            "<text>:3:7: `w` starts at 70000, which f16 does not hold; it holds numbers up to "
            "65504");
  EXPECT_EQ(error_of("state w : bool = 2"),
            "<text>:3:7: `w` starts at 2, which bool does not hold; it holds true or false");
  EXPECT_EQ(error_of("state w : i64 = 9007199254740993"),
            "<text>:3:17: first values are exact up to 2^53, and 9007199254740993 is beyond; "
            "choose a smaller one");
  EXPECT_EQ(error_of("state w : i32 = nan"),
            "<text>:3:7: `w` starts at nan, which i32 does not hold; it holds integers from "
            "-2147483648 to 2147483647");
  for (const char* fine :
       {"param w = inf", "param w = nan", "state w : bool = true", "state w : i32 = -2147483648",
        "state w : u8 = 255", "param w : f64 = 1e300", "param w : f16 = 65504",
        "state w : i64 = 9007199254740992", "state w : i32 = uniform(0, 10)", "param w = 0.1",
        "param w = uniform(2, 2)", "param w = normal(1, 0)"})
    EXPECT_EQ(error_of(fine), "no error") << fine;
}

TEST(Initializer, DrawsOnlyWhatCanBeDrawn) {
  EXPECT_EQ(error_of("param w = uniform(1, 0)"),
            "<text>:3:7: `w` starts at uniform(1, 0); the lower end comes first, as in "
            "uniform(0, 1)");
  EXPECT_EQ(error_of("param w = normal(0, -1)"),
            "<text>:3:7: `w` starts at normal(0, -1); a standard deviation is 0 or more");
  EXPECT_EQ(error_of("param w = normal(0, inf)"),
            "<text>:3:7: `w` starts at normal(0, inf); both values must be finite");
  EXPECT_EQ(error_of("param w : f16 = uniform(0, 1e5)"),
            "<text>:3:7: `w` starts at uniform(0, 100000), and f16 holds numbers up to 65504");
  EXPECT_EQ(error_of("state w : u8 = uniform(-1, 1)"),
            "<text>:3:7: `w` starts at uniform(-1, 1), and u8 holds integers from 0 to 255");
  EXPECT_EQ(error_of("state w : bool = uniform(0, 1)"),
            "<text>:3:7: `w` starts at uniform(0, 1), and it is bool; it starts as true or false");
  EXPECT_EQ(error_of("state w[k] : i32 = glorot()"),
            "<text>:3:7: `w` starts at glorot(), and it is i32; those are for floats, write "
            "normal(…), uniform(…) or a number");
  EXPECT_EQ(error_of("param w = glorot(3)"),
            "<text>:3:11: `glorot` takes 2 values or none, not 1, as in glorot() or "
            "glorot(784, 10)");
  EXPECT_EQ(error_of("param w = he(0)"),
            "<text>:3:11: a fan is a number of values, 1 or more, as in he() or he(784)");
}

TEST(Literal, HoldsWhatIsWritten) {
  EXPECT_EQ(error_of("w = 1e39"),
            "<text>:3:5: the literal 1e+39 does not fit f32, which holds numbers up to 3.4028e+38; "
            "write inf, or convert the other side, as in f64(x)");
  EXPECT_EQ(error_of("input x[k]\nw = x * 1e39"),
            "<text>:4:9: the literal 1e+39 does not fit f32, which holds numbers up to 3.4028e+38; "
            "write inf, or convert the other side, as in f64(x)");
  EXPECT_EQ(error_of("state w : i32\nupdate w = 1.5"),
            "<text>:4:12: `update` mixes the literal 1.5 with a value of type i32; write an "
            "integer, or convert the other side, as in f32(x)");
  EXPECT_EQ(error_of("state w : bool\nupdate w = 2"),
            "<text>:4:12: `update` mixes the literal 2 with a bool; write true or false");
  EXPECT_EQ(error_of("state w : f16\nupdate w = 70000"),
            "<text>:4:12: the literal 70000 does not fit f16, which holds numbers up to 65504; "
            "write inf, or convert the other side, as in f32(x)");
  EXPECT_EQ(error_of("input x[k]\nw = x[k: k - 1 pad 1e39]"),
            "<text>:4:20: the pad 1e+39 does not fit a tensor of type f32, which holds numbers up "
            "to 3.4028e+38");
  EXPECT_EQ(error_of("w = f64(1e39)"), "no error");
  EXPECT_EQ(error_of("w = f32(1e39)"), "no error");
}

}  // namespace
}  // namespace tessera
