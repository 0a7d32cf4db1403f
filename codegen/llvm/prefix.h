#pragma once

#include <llvm/IR/IRBuilder.h>

#include "ir/scalar.h"

namespace tessera {

// Which lanes a running value takes in: those up to its own, or those from its own on.
enum class Running : uint8_t { up, down };

// The running values of a vector: lane i of the result combines lanes 0 … i, or i … last.
//
//   emit_prefix(sum, up, {1, 2, 3, 4})     {1, 3, 6, 10}
//   emit_prefix(sum, down, {1, 2, 3, 4})   {10, 9, 7, 4}
//
// By doubling within pieces of one register, of which each then takes in those before it. The
// number of lanes is a power of two.
llvm::Value* emit_prefix(llvm::IRBuilderBase& builder, ReduceOp op, DType type, Running running,
                         llvm::Value* vector, int register_bytes);

// The lane of running values that has taken in all.
llvm::Value* emit_whole(llvm::IRBuilderBase& builder, Running running, llvm::Value* prefix);

}  // namespace tessera
