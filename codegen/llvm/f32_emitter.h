#pragma once

#include <llvm/IR/IRBuilder.h>

#include <bit>

#include "ir/scalar_emit.h"

namespace tessera {

// Emits the expansions of scalar_emit.h at the builder's insertion point, for values of one shape
// (`lanes`, 0 for scalars).
class F32Emitter final : public Emitter {
 public:
  F32Emitter(llvm::IRBuilderBase& builder, int lanes) : b_(builder), lanes_(lanes) {}

  static Value wrap(llvm::Value* value) { return {std::bit_cast<uint64_t>(value)}; }
  static llvm::Value* unwrap(Value value) { return std::bit_cast<llvm::Value*>(value.bits); }

  Value real(double value) override;
  Value wide(double value) override;
  Value integer(int32_t value) override;
  Value add(Value a, Value b) override;
  Value sub(Value a, Value b) override;
  Value mul(Value a, Value b) override;
  Value div(Value a, Value b) override;
  Value fma(Value a, Value b, Value c) override;
  Value neg(Value a) override;
  Value abs(Value a) override;
  Value floor(Value a) override;
  Value round(Value a) override;
  Value copysign(Value magnitude, Value sign) override;
  Value less(Value a, Value b) override;
  Value equal(Value a, Value b) override;
  Value is_nan(Value a) override;
  Value both(Value a, Value b) override;
  Value either(Value a, Value b) override;
  Value negate(Value truth) override;
  Value select(Value truth, Value a, Value b) override;
  Value int_add(Value a, Value b) override;
  Value int_sub(Value a, Value b) override;
  Value int_and(Value a, Value b) override;
  Value shift_left(Value a, int bits) override;
  Value shift_right(Value a, int bits) override;
  Value int_equal(Value a, Value b) override;
  Value int_less(Value a, Value b) override;
  Value bits_of(Value f32) override;
  Value from_bits(Value i32) override;
  Value to_int(Value a) override;
  Value to_real(Value i32) override;
  Value widen(Value f32) override;
  Value narrow(Value f64) override;
  Value int_to_wide(Value i32) override;
  Value scale(Value a, Value n) override;
  Value inverse(Value a) override;
  Value wide_power_of_two(Value exponent) override;
  Value otherwise(Value rare, Value usual, Fn fn, Value arg) override;

 private:
  llvm::Type* type(llvm::Type* element) const;
  bool has_avx512_lanes() const;  // that fill its registers

  llvm::IRBuilderBase& b_;
  int lanes_;
};

// A call of the C library's function for each lane: "exp" on f64, "expf" on f32.
llvm::Value* call_library(llvm::IRBuilderBase& builder, Fn fn,
                          const std::vector<llvm::Value*>& args);

}  // namespace tessera
