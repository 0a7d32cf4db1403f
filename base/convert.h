#pragma once

#include <bit>
#include <cstdint>

namespace tessera {

// The 16-bit floats as bit patterns: bf16 is the upper half of an f32 (8 bits of exponent, 7 of
// fraction), f16 is IEEE 754's binary16 (5 and 10). Conversions to them round to nearest, ties to
// even, in one step from f64 too; beyond the largest number they give infinity, below the least
// normal one subnormal numbers; NaN stays NaN, quiet, with its sign.
//
//   bf16_to_f32(f32_to_bf16(1.00390625f)) == 1.0f      halfway: to the even neighbour

constexpr float bf16_to_f32(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

constexpr uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (value != value) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

constexpr float f16_to_f32(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = bits >> 10 & 0x1f;
  const uint32_t fraction = bits & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
    const float size = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(size) | sign);
  }
  if (exponent == 31)
    return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13 |
                                (fraction != 0 ? 0x400000 : 0));
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

constexpr uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t size = bits & 0x7fffffff;
  if (size > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00 | (size >> 13 & 0x3ff));
  if (size >= 0x47800000) return static_cast<uint16_t>(sign | 0x7c00);  // 2^16 and above
  if (size < 0x38800000) {  // below 2^-14: adding 1/2 leaves the multiple of 2^-24 in the low bits
    const float shifted = std::bit_cast<float>(size) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000));
  }
  // The carry of rounding may reach the exponent, and infinity.
  const uint32_t rounded = size - (112u << 23) + 0xfff + (size >> 13 & 1);
  return static_cast<uint16_t>(sign | rounded >> 13);
}

// The f32 towards zero from `value`, with its last bit set where that is not exact ("rounding to
// odd"): rounding it again to fewer bits gives what rounding `value` once would (Boldo and
// Melquiond, 2008).
constexpr float f64_to_odd_f32(double value) {
  const float near = static_cast<float>(value);
  const double back = near;
  if (value != value || back == value) return near;
  uint32_t bits = std::bit_cast<uint32_t>(near);
  const double size = value < 0 ? -value : value;
  if ((back < 0 ? -back : back) > size) --bits;
  return std::bit_cast<float>(bits | 1);
}

constexpr uint16_t f64_to_bf16(double value) {
  return f32_to_bf16(f64_to_odd_f32(value));
}
constexpr uint16_t f64_to_f16(double value) {
  return f32_to_f16(f64_to_odd_f32(value));
}

}  // namespace tessera
