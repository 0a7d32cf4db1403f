#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/philox.h"
#include "ir/functions.h"
#include "ir/interpret.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/random.h"

namespace tessera {
namespace {

void expect_words(const RandomBits& found, const std::vector<uint32_t>& wanted) {
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(found.word[i], wanted[i]) << i;
}

// The vectors that Philox's authors publish for 4x32 with ten rounds.
TEST(Philox, GivesThePublishedAnswers) {
  expect_words(philox(0, 0, 0), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  expect_words(philox(~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}),
               {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  expect_words(philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
               {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST(Philox, RandomBitsAreTheUpper53OfTheFirstTwoWords) {
  const RandomBits words = philox(7, 0, 1234567890123);
  const int64_t bits = random_bits(7, 1234567890123);
  EXPECT_EQ(bits >> 21, int64_t{words.word[0]});
  EXPECT_EQ(bits & 0x1fffff, int64_t{words.word[1] >> 11});
  EXPECT_EQ(random_bits(-1, -5), random_bits(-1, -5));
  EXPECT_NE(random_bits(-1, -5), random_bits(-1, -4));
}

Array value_of(const Expr& value, const Dims& order) {
  return evaluate(value, order, [](const Tensor&) -> const Array& {
    throw InternalError("these formulas read nothing");
  });
}

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

Moments moments_of(const Array& array) {
  const auto count = static_cast<double>(array.size());
  Moments m;
  for (size_t i = 0; i < array.size(); ++i) m.mean += array.get(i) / count;
  for (size_t i = 0; i < array.size(); ++i) {
    const double d = array.get(i) - m.mean;
    m.variance += d * d / count;
    m.skew += d * d * d / count;
    m.kurtosis += d * d * d * d / count;
  }
  return m;
}

TEST(RandomValues, HaveTheMomentsOfTheirDistributions) {
  const Dim a("a", 250), b("b", 400);
  for (const DType type : {DType::f32, DType::f64}) {
    const Moments u = moments_of(value_of(uniform({a, b}, 3, type), {a, b}));
    EXPECT_NEAR(u.mean, 0.5, 0.004);
    EXPECT_NEAR(u.variance, 1.0 / 12, 0.001);
    EXPECT_NEAR(u.skew, 0, 0.001);
    EXPECT_NEAR(u.kurtosis, 1.0 / 80, 0.0005);
    const Moments n = moments_of(value_of(normal({a, b}, 3, type), {a, b}));
    EXPECT_NEAR(n.mean, 0, 0.015);
    EXPECT_NEAR(n.variance, 1, 0.02);
    EXPECT_NEAR(n.skew, 0, 0.05);
    EXPECT_NEAR(n.kurtosis, 3, 0.15);
  }
}

TEST(RandomValues, AreMultiplesOfTheirStepWithinZeroAndOne) {
  const Dim a("a", 3), b("b", 5);
  const Array f32 = value_of(uniform({a, b}, 11), {a, b});
  const Array f64 = value_of(uniform({a, b}, 11, DType::f64), {a, b});
  for (size_t i = 0; i < f32.size(); ++i) {
    const int64_t bits = random_bits(11, static_cast<int64_t>(i));
    EXPECT_EQ(f32.get(i), std::ldexp(static_cast<double>(bits >> 29), -24));
    EXPECT_EQ(f64.get(i), std::ldexp(static_cast<double>(bits), -53));
  }
}

TEST(RandomValues, CountInTheOrderOfTheBracketsWhateverTheOrderOfTheArray) {
  const Dim a("a", 3), b("b", 5);
  const Array ab = value_of(uniform({a, b}, 4), {a, b});
  const Array ba = value_of(uniform({b, a}, 4), {a, b});
  EXPECT_NE(ab, ba);
  EXPECT_EQ(ab.get(1 * 5 + 2), uniform_value(4, 0, 1 * 5 + 2));
  EXPECT_EQ(ba.get(1 * 5 + 2), uniform_value(4, 0, 2 * 3 + 1));
}

TEST(RandomValues, LiftOverTheDimsOfTheSeed) {
  const Dim a("a", 4), run("run", 3);
  const Array all = value_of(normal({a}, index(run) + 7), {run, a});
  for (int r = 0; r < 3; ++r) {
    const Array one = value_of(normal({a}, r + 7), {a});
    for (size_t i = 0; i < 4; ++i)
      EXPECT_EQ(all.get(static_cast<size_t>(r) * 4 + i), one.get(i)) << r << " " << i;
  }
}

TEST(RandomValues, AreNeverInfiniteOrNaN) {
  const Dim a("a", 20000);
  const Array values = value_of(normal({a}, 1), {a});
  for (size_t i = 0; i < values.size(); ++i) ASSERT_LT(std::abs(values.get(i)), 8.6);
}

TEST(RandomValues, AreConstantsToGradients) {
  Program p("dropout");
  const Dim i("i", 6);
  const Tensor w = p.parameter("w", {i}, constant(1.0));
  const Tensor keep = p.define("keep", uniform({i}, 5));
  const Tensor loss = p.define("loss", sum(i, Expr(w) * w * where(Expr(keep) < 0.5, keep, 0)));
  p.output("g", grad(loss, w));
  p.output("keep", keep);
  Arrays state = initial_state(p, 1);
  const Arrays out = interpret(p, {}, state);
  for (size_t k = 0; k < 6; ++k) {
    const double drawn = out.at("keep").get(k);
    EXPECT_FLOAT_EQ(static_cast<float>(out.at("g").get(k)),
                    static_cast<float>(drawn < 0.5 ? 2 * drawn : 0));
  }
}

TEST(RandomValues, PrintAndParseBack) {
  const Program p = parse(
      "program r\ndim a = 3, b = 4\ninput seed[b] : i32\nstate steps : i64\n"
      "u = uniform[a](seed)\nv = normal[b, a](steps)\nbits = random_bits(seed, 7)\n"
      "both = u * f32(random_bits(5000000000, i64(a)) % 6)\n"
      "output u\noutput v\noutput bits\noutput both\n");
  EXPECT_EQ(parse(print(p)), p) << print(p);
  EXPECT_NE(print(p).find("u = f32(random_bits(i64(seed), i64(a)) // 536870912) * 5.9604645e-08"),
            std::string::npos)
      << print(p);
  Arrays state = initial_state(p, 1);
  Arrays inputs = {{"seed", make_array(DType::i32, {4})}};
  const Arrays out = interpret(p, inputs, state);
  const Dim a("a", 3), b("b", 4);
  EXPECT_EQ(out.at("v"), value_of(normal({b, a}, 0), {a, b}));
}

std::string error_of(const std::string& line) {
  try {
    parse("program p\ndim i = 3, k = 4\ninput x[i]\n" + line + "\n");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(RandomValues, SayWhatIsWrongWithACall) {
  EXPECT_EQ(error_of("v = normal[i](x)"),
            "<text>:4:5: `normal` takes an integer seed, not f32; count steps in a state of type "
            "i64, or write a number");
  EXPECT_EQ(error_of("v = uniform(3)"),
            "<text>:4:5: `uniform` draws over dims and must name them, as in uniform[a, b](seed)");
  EXPECT_EQ(error_of("v = uniform[i](3, 4)"),
            "<text>:4:5: `uniform` takes one seed, not 2 values, as in uniform[a, b](seed)");
  EXPECT_EQ(error_of("v = random_bits(x, 4)"), "<text>:4:5: `random_bits` takes integers, not f32");
  EXPECT_EQ(error_of("v = random_bits(4)"), "<text>:4:5: `random_bits` takes 2 values, not 1");
  EXPECT_EQ(error_of("v = x * normal"),
            "<text>:4:9: `normal` is a function; call it, as in normal[k](seed)");
  EXPECT_EQ(error_of("v = norml[i](3)").find("(did you mean `normal`?)") == std::string::npos,
            false);
}

}  // namespace
}  // namespace tessera
