#include "base/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "base/array.h"

namespace tessera {
namespace {

// A 16-bit float format, and its conversions written again in integer arithmetic only.
struct Format {
  int precision;      // bits of a normal significand
  int least;          // the exponent of the least subnormal number
  uint32_t infinite;  // the exponent field of infinity
  int fraction_bits() const { return precision - 1; }
};
constexpr Format kF16{11, -24, 31};
constexpr Format kBf16{8, -133, 255};

double value_of(const Format& format, uint16_t bits) {
  const int f = format.fraction_bits();
  const uint32_t exponent = (bits & 0x7fffu) >> f;
  const uint32_t fraction = bits & ((1u << f) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == format.infinite)
    return fraction != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  const uint32_t whole = exponent == 0 ? fraction : fraction | 1u << f;
  return sign *
         std::ldexp(whole, format.least + (exponent == 0 ? 0 : static_cast<int>(exponent) - 1));
}

// significand * 2^exponent, rounded to nearest even.
uint16_t rounded(const Format& format, bool negative, uint64_t significand, int exponent) {
  const auto sign = static_cast<uint16_t>(negative ? 0x8000 : 0);
  if (significand == 0) return sign;
  const int length = 64 - __builtin_clzll(significand);
  const int quantum = std::max(exponent + length - format.precision, format.least);
  const int shift = quantum - exponent;
  uint64_t count = 0;
  if (shift <= 0) {
    count = significand << -shift;
  } else if (shift < 62) {
    count = significand >> shift;
    const uint64_t rest = significand & ((uint64_t{1} << shift) - 1);
    const uint64_t half = uint64_t{1} << (shift - 1);
    if (rest > half || (rest == half && (count & 1) != 0)) ++count;
  }
  const uint64_t normal = uint64_t{1} << format.fraction_bits();
  // Counts from `normal` on carry into the exponent field by themselves.
  const uint64_t bits =
      count < normal
          ? count
          : (static_cast<uint64_t>(quantum - format.least) << format.fraction_bits()) + count;
  const uint64_t infinity = uint64_t{format.infinite} << format.fraction_bits();
  return static_cast<uint16_t>(sign | std::min(bits, infinity));
}

uint16_t rounded(const Format& format, double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  const uint64_t field = bits >> 52 & 0x7ff;
  const uint64_t fraction = bits & 0xfffffffffffff;
  const bool negative = bits >> 63 != 0;
  if (field == 0x7ff)
    return static_cast<uint16_t>(negative << 15 | format.infinite << format.fraction_bits());
  return rounded(format, negative, field == 0 ? fraction : fraction | uint64_t{1} << 52,
                 static_cast<int>(std::max<uint64_t>(field, 1)) - 1075);
}

// The host's own conversions agree, where it has them.
#ifdef __x86_64__
__attribute__((target("f16c"))) bool host_agrees(float value) {
  return static_cast<uint16_t>(_cvtss_sh(value, 0)) == f32_to_f16(value);
}
__attribute__((target("f16c"))) bool host_agrees(uint16_t bits) {
  return _cvtsh_ss(bits) == f16_to_f32(bits);
}
bool host_converts() {
  return __builtin_cpu_supports("f16c") != 0;
}
#else
bool host_agrees(float) {
  return true;
}
bool host_agrees(uint16_t) {
  return true;
}
bool host_converts() {
  return false;
}
#endif

bool is_nan16(const Format& format, uint16_t bits) {
  return (bits & 0x7fffu) > format.infinite << format.fraction_bits();
}

TEST(Convert, AllPatternsAreTheNumbersTheyStandForAndComeBack) {
  for (uint32_t pattern = 0; pattern < 65536; ++pattern) {
    const auto bits = static_cast<uint16_t>(pattern);
    const float f16 = f16_to_f32(bits);
    const float bf16 = bf16_to_f32(bits);
    if (is_nan16(kF16, bits)) {
      ASSERT_TRUE(std::isnan(f16)) << pattern;
      ASSERT_TRUE(is_nan16(kF16, f32_to_f16(f16)) && is_nan16(kF16, f64_to_f16(f16))) << pattern;
    } else {
      ASSERT_EQ(static_cast<double>(f16), value_of(kF16, bits)) << pattern;
      ASSERT_EQ(std::signbit(f16), (bits & 0x8000) != 0) << pattern;
      ASSERT_EQ(f32_to_f16(f16), bits);
      ASSERT_EQ(f64_to_f16(f16), bits);
    }
    if (is_nan16(kBf16, bits)) {
      ASSERT_TRUE(std::isnan(bf16)) << pattern;
      ASSERT_TRUE(is_nan16(kBf16, f32_to_bf16(bf16)) && is_nan16(kBf16, f64_to_bf16(bf16)));
    } else {
      ASSERT_EQ(static_cast<double>(bf16), value_of(kBf16, bits)) << pattern;
      ASSERT_EQ(f32_to_bf16(bf16), bits);
      ASSERT_EQ(f64_to_bf16(bf16), bits);
    }
    if (host_converts() && !std::isnan(f16)) ASSERT_TRUE(host_agrees(bits)) << pattern;
  }
}

void check(uint32_t bits) {
  const auto value = std::bit_cast<float>(bits);
  if (std::isnan(value)) {
    ASSERT_TRUE(is_nan16(kF16, f32_to_f16(value)) && is_nan16(kBf16, f32_to_bf16(value))) << bits;
    return;
  }
  ASSERT_EQ(f32_to_f16(value), rounded(kF16, value)) << std::hex << bits;
  ASSERT_EQ(f32_to_bf16(value), rounded(kBf16, value)) << std::hex << bits;
  ASSERT_EQ(f64_to_f16(value), rounded(kF16, value)) << std::hex << bits;
  ASSERT_EQ(f64_to_bf16(value), rounded(kBf16, value)) << std::hex << bits;
  if (host_converts()) ASSERT_TRUE(host_agrees(value)) << std::hex << bits;
}

// Every exponent, with the last kept bit at every place, halfway, and next to halfway.
TEST(Convert, RoundsF32ToNearestEvenEverywhere) {
  for (uint32_t exponent = 0; exponent < 256; ++exponent)
    for (uint32_t place = 0; place < 24; ++place)
      for (uint32_t kept = 0; kept < 9; ++kept)
        for (const uint32_t beside : {0u, 1u, 0xffffffffu}) {
          const uint32_t half = place == 0 ? 0 : 1u << (place - 1);
          const uint32_t fraction = ((kept << place) + half + beside) & 0x7fffff;
          check(exponent << 23 | fraction);
          check(1u << 31 | exponent << 23 | fraction);
          check(exponent << 23 | (0x7fffff ^ fraction));
          if (HasFatalFailure()) return;
        }
  std::mt19937 random(1);
  for (int i = 0; i < 1000000; ++i) {
    check(static_cast<uint32_t>(random()));
    if (HasFatalFailure()) return;
  }
}

// Next to halfway in f64, where f32 would already have rounded to halfway.
TEST(Convert, RoundsF64Once) {
  for (uint32_t pattern = 0; pattern < 0x7c00; ++pattern)
    for (const double sign : {1.0, -1.0})
      for (const double beside : {-0x1p-40, 0.0, 0x1p-40, -0x1p-51, 0x1p-51}) {
        const auto low = static_cast<uint16_t>(pattern);
        const auto high = static_cast<uint16_t>(pattern + 1);
        const double a = (value_of(kF16, low) + std::min(value_of(kF16, high), 65536.0)) / 2;
        ASSERT_EQ(f64_to_f16(sign * a * (1 + beside)), rounded(kF16, sign * a * (1 + beside))) << a;
        const double b = (value_of(kBf16, low) + value_of(kBf16, high)) / 2;
        ASSERT_EQ(f64_to_bf16(sign * b * (1 + beside)), rounded(kBf16, sign * b * (1 + beside)))
            << b;
      }
  EXPECT_EQ(f64_to_bf16(1 + 0x1p-8 + 0x1p-40), f32_to_bf16(1 + 0x1p-7f));
  EXPECT_EQ(f64_to_f16(65520), 0x7c00);
  EXPECT_EQ(f64_to_f16(65519.999), 0x7bff);
  EXPECT_EQ(f64_to_f16(0x1p-25), 0);
  EXPECT_EQ(f64_to_f16(0x1.000001p-25), 1);
  EXPECT_EQ(f64_to_bf16(1e300), 0x7f80);
  EXPECT_EQ(f64_to_f16(-1e-300), 0x8000);
}

TEST(Array, HoldsTheSmallTypes) {
  for (const DType type : {DType::bf16, DType::f16, DType::i8, DType::u8}) {
    Array array = make_array(type, {3});
    EXPECT_EQ(array.data.size(), 3 * size_of(type));
    array.set(1, 100);
    EXPECT_EQ(array.get(0), 0);
    EXPECT_EQ(array.get(1), 100);
    DType back = DType::f32;
    EXPECT_TRUE(parse_dtype(name_of(type), back));
    EXPECT_EQ(back, type);
  }
  EXPECT_EQ(dtype_names(), "f32, f64, bf16, f16, i32, i64, i8, u8, bool");
}

}  // namespace
}  // namespace tessera
