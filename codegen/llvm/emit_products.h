#pragma once

#include <llvm/IR/IRBuilder.h>

#include "codegen/narrow_product.h"

namespace tessera {

// sum + the products of the narrow numbers in words x (of operand a) and y (of b): vectors of one
// number of lanes, which fill 16, 32 or 64 bytes. `product` has a unit.
llvm::Value* emit_products(llvm::IRBuilderBase& builder, const NarrowProduct& product,
                           llvm::Value* x, llvm::Value* y, llvm::Value* sum);

// The low bits of an i32 (or a vector of them) by which a value of an operand stands in a word;
// what is above them is arbitrary. An f32 is one that bf16 holds.
llvm::Value* narrow_bits(llvm::IRBuilderBase& builder, const NarrowProduct& product,
                         llvm::Value* value);
// What shifts_a() inverts in a word.
inline constexpr uint32_t kHighestBits = 0x80808080;
// Of one number.
int narrow_width(const NarrowProduct& product);

}  // namespace tessera
