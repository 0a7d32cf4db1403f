#include "ir/scalar_emit.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace tessera {
namespace {

// Runs the expansions on one number at a time. f32 and f64 are told apart by a tag.
class PlainEmitter : public Emitter {
 public:
  static Value of(float x) { return {std::bit_cast<uint32_t>(x)}; }
  static float f32(Value v) { return std::bit_cast<float>(static_cast<uint32_t>(v.bits)); }

  Value real(double value) override { return keep(static_cast<float>(value)); }
  Value wide(double value) override { return keep(value); }
  Value integer(int32_t value) override { return keep(value); }
  Value add(Value a, Value b) override {
    return both_of(a, b, [](auto x, auto y) { return x + y; });
  }
  Value sub(Value a, Value b) override {
    return both_of(a, b, [](auto x, auto y) { return x - y; });
  }
  Value mul(Value a, Value b) override {
    return both_of(a, b, [](auto x, auto y) { return x * y; });
  }
  Value div(Value a, Value b) override {
    return both_of(a, b, [](auto x, auto y) { return x / y; });
  }
  Value fma(Value a, Value b, Value c) override {
    if (is_wide(a)) return keep(std::fma(get(a).d, get(b).d, get(c).d));
    return keep(std::fma(get(a).f, get(b).f, get(c).f));
  }
  Value neg(Value a) override {
    return one_of(a, [](auto x) { return -x; });
  }
  Value abs(Value a) override {
    return one_of(a, [](auto x) { return std::fabs(x); });
  }
  Value floor(Value a) override {
    return one_of(a, [](auto x) { return std::floor(x); });
  }
  Value round(Value a) override {
    return one_of(a, [](auto x) { return std::nearbyint(x); });
  }
  Value copysign(Value a, Value b) override { return keep(std::copysign(get(a).f, get(b).f)); }
  Value less(Value a, Value b) override {
    return truth(is_wide(a) ? get(a).d < get(b).d : get(a).f < get(b).f);
  }
  Value equal(Value a, Value b) override { return truth(get(a).f == get(b).f); }
  Value is_nan(Value a) override {
    return truth(is_wide(a) ? std::isnan(get(a).d) : std::isnan(get(a).f));
  }
  Value both(Value a, Value b) override { return truth(get(a).i && get(b).i); }
  Value either(Value a, Value b) override { return truth(get(a).i || get(b).i); }
  Value negate(Value a) override { return truth(!get(a).i); }
  Value select(Value t, Value a, Value b) override { return get(t).i ? a : b; }
  Value int_add(Value a, Value b) override { return wrap(uint32_t(get(a).i) + uint32_t(get(b).i)); }
  Value int_sub(Value a, Value b) override { return wrap(uint32_t(get(a).i) - uint32_t(get(b).i)); }
  Value int_and(Value a, Value b) override { return keep(get(a).i & get(b).i); }
  Value shift_left(Value a, int bits) override { return wrap(uint32_t(get(a).i) << bits); }
  Value shift_right(Value a, int bits) override { return keep(get(a).i >> bits); }
  Value int_equal(Value a, Value b) override { return truth(get(a).i == get(b).i); }
  Value int_less(Value a, Value b) override { return truth(get(a).i < get(b).i); }
  Value bits_of(Value a) override { return keep(std::bit_cast<int32_t>(get(a).f)); }
  Value from_bits(Value a) override { return keep(std::bit_cast<float>(get(a).i)); }
  Value to_int(Value a) override {
    return keep(static_cast<int32_t>(is_wide(a) ? get(a).d : get(a).f));
  }
  Value to_real(Value a) override { return keep(static_cast<float>(get(a).i)); }
  Value widen(Value a) override { return keep(static_cast<double>(get(a).f)); }
  Value narrow(Value a) override { return keep(static_cast<float>(get(a).d)); }
  Value int_to_wide(Value a) override { return keep(static_cast<double>(get(a).i)); }
  Value wide_power_of_two(Value a) override { return keep(std::ldexp(1.0, get(a).i)); }
  Value otherwise(Value rare, Value usual, Fn fn, Value arg) override {
    if (!get(rare).i) return usual;
    return keep(fn == Fn::sin ? std::sin(get(arg).f) : std::cos(get(arg).f));
  }

  float run(Fn fn, float a, float b = 0) {
    cells_.clear();
    return get(emit_f32(fn, *this, {keep(a), keep(b)})).f;
  }

 private:
  struct Cell {
    bool wide = false;
    double d = 0;
    float f = 0;
    int32_t i = 0;
  };
  const Cell& get(Value v) const { return cells_[v.bits]; }
  bool is_wide(Value v) const { return get(v).wide; }
  Value push(Cell cell) {
    cells_.push_back(cell);
    return {cells_.size() - 1};
  }
  Value keep(float x) { return push({false, 0, x, 0}); }
  Value keep(double x) { return push({true, x, 0, 0}); }
  Value keep(int32_t x) { return push({false, 0, 0, x}); }
  Value wrap(uint32_t x) { return keep(static_cast<int32_t>(x)); }
  Value truth(bool x) { return keep(x ? 1 : 0); }
  template <typename F>
  Value one_of(Value a, F f) {
    return is_wide(a) ? keep(f(get(a).d)) : keep(f(get(a).f));
  }
  template <typename F>
  Value both_of(Value a, Value b, F f) {
    return is_wide(a) ? keep(f(get(a).d, get(b).d)) : keep(f(get(a).f, get(b).f));
  }
  std::vector<Cell> cells_;
};

double exact(Fn fn, double a, double b) {
  switch (fn) {
    case Fn::exp:
      return std::exp(a);
    case Fn::log:
      return std::log(a);
    case Fn::tanh:
      return std::tanh(a);
    case Fn::sigmoid:
      return a < 0 ? std::exp(a) / (1 + std::exp(a)) : 1 / (1 + std::exp(-a));
    case Fn::erf:
      return std::erf(a);
    case Fn::sin:
      return std::sin(a);
    case Fn::cos:
      return std::cos(a);
    default:
      return std::pow(a, b);
  }
}

// |found - wanted| in units of the last place of an f32 near `wanted`.
double ulps(float found, double wanted) {
  const float rounded = static_cast<float>(wanted);
  if (std::isnan(wanted)) return std::isnan(found) ? 0 : 1e9;
  if (std::isinf(rounded) || std::isinf(found)) return found == rounded ? 0 : 1e9;
  int exponent = 0;
  std::frexp(wanted, &exponent);
  const double unit = std::ldexp(1.0, std::max(exponent, -125) - 24);
  return std::fabs(static_cast<double>(found) - wanted) / unit;
}

struct Case {
  Fn fn;
  double allowed;  // as stated in scalar_emit.h
};

class Expansion : public testing::TestWithParam<Case> {};

TEST_P(Expansion, StaysWithinItsStatedErrorOnEveryBitPatternSampled) {
  PlainEmitter emitter;
  double worst = 0;
  float worst_at = 0;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 16381) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    const double error = ulps(emitter.run(GetParam().fn, x), exact(GetParam().fn, x, 0));
    if (error > worst) worst = error, worst_at = x;
  }
  for (int i = -200000; i <= 200000; ++i) {  // where the interesting range is
    const float x = static_cast<float>(i) * 0.0005f;
    const double error = ulps(emitter.run(GetParam().fn, x), exact(GetParam().fn, x, 0));
    if (error > worst) worst = error, worst_at = x;
  }
  EXPECT_LE(worst, GetParam().allowed) << info(GetParam().fn).name << " at " << worst_at;
  RecordProperty("worst_ulp", std::to_string(worst));
}

INSTANTIATE_TEST_SUITE_P(All, Expansion,
                         testing::Values(Case{Fn::exp, 1.3}, Case{Fn::log, 0.8},
                                         Case{Fn::tanh, 1.4}, Case{Fn::sigmoid, 2.7},
                                         Case{Fn::erf, 2.3}, Case{Fn::sin, 1.6},
                                         Case{Fn::cos, 1.6}),
                         [](const auto& test) { return tessera::info(test.param.fn).name; });

TEST(Expansion, TreatsSpecialValuesAsTheLibraryDoes) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float specials[] = {0.0f, -0.0f, kInf,  -kInf,    std::nanf(""), 1e-45f,  -1e-45f, 1e-39f,
                            1.0f, -1.0f, 88.8f, -103.97f, -104.5f,       3.4e38f, -3.4e38f};
  PlainEmitter emitter;
  for (Fn fn : {Fn::exp, Fn::log, Fn::tanh, Fn::sigmoid, Fn::erf, Fn::sin, Fn::cos}) {
    for (float x : specials) {
      const float found = emitter.run(fn, x);
      const float wanted = static_cast<float>(exact(fn, x, 0));
      EXPECT_LE(ulps(found, exact(fn, x, 0)), 2.4) << info(fn).name << "(" << x << ") " << found;
      if (wanted == 0) {
        EXPECT_EQ(std::signbit(found), std::signbit(wanted)) << info(fn).name << x;
      }
    }
  }
}

TEST(Expansion, PowIsCorrectToHalfAUnitAndInEverySpecialCase) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float values[] = {0.0f,   -0.0f,   kInf,        -kInf,       std::nanf(""), 1.0f,  -1.0f,
                          2.0f,   -2.0f,   3.0f,        -3.0f,       0.5f,          -0.5f, 2.5f,
                          -2.5f,  1e-40f,  1e30f,       -1e30f,      1e10f,         7.0f,  0.1f,
                          100.0f, -100.0f, 16777215.0f, 0.99999994f, 33.3f};
  PlainEmitter emitter;
  for (float x : values)
    for (float y : values) {
      const double wanted = std::pow(static_cast<double>(x), static_cast<double>(y));
      const float found = emitter.run(Fn::pow, x, y);
      EXPECT_LE(ulps(found, wanted), 0.51) << x << " ** " << y << " = " << found;
      if (static_cast<float>(wanted) == 0) {
        EXPECT_EQ(std::signbit(found), std::signbit(wanted)) << x << " ** " << y;
      }
    }
  for (int i = 1; i < 300; ++i)
    for (int j = -40; j < 40; ++j) {
      const float x = static_cast<float>(i) * 0.173f;
      const float y = static_cast<float>(j) * 0.37f;
      EXPECT_LE(ulps(emitter.run(Fn::pow, x, y), std::pow(double(x), double(y))), 0.51);
    }
}

}  // namespace
}  // namespace tessera
