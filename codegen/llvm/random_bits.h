#pragma once

#include <llvm/IR/IRBuilder.h>

namespace tessera {

// Philox of base/philox.h for a seed and a counter, i64 or vectors of it: the same 53 bits. Words
// are kept in 64-bit lanes, where a product of two is one instruction.
llvm::Value* emit_random_bits(llvm::IRBuilderBase& builder, llvm::Value* seed,
                              llvm::Value* counter);

}  // namespace tessera
