#pragma once

#include <cstdint>
#include <optional>

#include "codegen/contraction.h"
#include "codegen/vector_target.h"

namespace tessera {

// Instructions that take several narrow numbers in each lane of 32 bits, multiply them in pairs and
// add the products to the lane's sum.
enum class ProductUnit : uint8_t {
  none,      // one product a lane, of the type of the sum
  dot_bf16,  // f32 += 2 products; numbers and sums below 2^-126 count as 0
  madd_i16,  // 2 products of i16 in i32, which another instruction adds to the sum
  dot_i16,   // i32 += 2 products of i16
  dot_i8     // i32 += 4 products of a byte without and a byte with sign
};

// How a contraction multiplies. What decides is neither an operator nor the type of a tensor, but
// that the sum is of products and that every value of both operands fits a narrow type: `f32(x)` of
// a bf16 or i8 `x`, the maximum of that and 0, `i32(p) - 7` of a u8 `p`.
//
//   sum[k](i32(x) * i32(w)) of i8     dot_i8: words of 4 steps of k, x ^ 0x80 without a sign
struct NarrowProduct {
  ProductUnit unit = ProductUnit::none;
  bool a_signed = true, b_signed = true;  // for dot_i8

  // Steps of k that one word of a panel holds.
  int group() const;
  // dot_i8 wants one operand with a sign and one without. Where both are alike, a is packed with
  // its highest bit inverted, which is 128 more or less, and each sum begins with what that adds,
  // negated: 128 times the sum of a column of b, which stands in front of each panel of b.
  bool shifts_a() const { return unit == ProductUnit::dot_i8 && a_signed == b_signed; }
  // Multiply-adds of a vector unit for each word.
  double cycles() const;

  bool operator==(const NarrowProduct&) const = default;
};

// The narrowest products that the target has a unit for.
NarrowProduct narrow_product(const Contraction& contraction, const VectorTarget& target);

// The narrowest types that hold every value of both operands of a sum of products exactly: both
// bf16, both f16, or bytes, each with or without a sign. Nothing where there are none, or where
// guards leave products out.
struct NarrowTypes {
  DType a = DType::bf16, b = DType::bf16;

  size_t bytes() const { return size_of(a); }  // of both
  bool operator==(const NarrowTypes&) const = default;
};
std::optional<NarrowTypes> narrow_types(const Contraction& contraction);

// Cycles of a vector unit for each element of a tile and step of k, in multiply-adds.
double cycles_of_pair(const Contraction& contraction, const NarrowProduct& product);

}  // namespace tessera
