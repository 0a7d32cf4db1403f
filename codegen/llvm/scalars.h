#pragma once

#include <llvm/IR/IRBuilder.h>

#include <vector>

#include "ir/scalar.h"

namespace tessera {

// The scalar functions as LLVM instructions, on single values or on vectors of them alike: all
// arguments of one call have one shape. A bool is an i1 in registers and a byte in memory; bf16 and
// f16 are f32 in registers, of which the precision may be more than the type's, and 16 bits in
// memory.

llvm::Type* register_type(llvm::LLVMContext& context, DType type);
llvm::Type* memory_type(llvm::LLVMContext& context, DType type);
// Between the two, rounding to nearest even, unless the value came from memory or was rounded.
llvm::Value* from_memory(llvm::IRBuilderBase& builder, DType type, llvm::Value* stored);
llvm::Value* to_memory(llvm::IRBuilderBase& builder, DType type, llvm::Value* value);
// The 16 bits that this bf16 or f16 in registers is an extension of; null when it may have others.
llvm::Value* bits_behind(llvm::IRBuilderBase& builder, DType type, llvm::Value* value);
// The constant as it lies in memory.
llvm::Constant* memory_constant(llvm::LLVMContext& context, const Scalar& value, int lanes = 0);
// `type`, or a vector of `lanes` of it when lanes > 0.
llvm::Type* shaped(llvm::Type* type, int lanes);
// The lanes of a value or type; 0 for a scalar.
int lanes_of(const llvm::Type* type);
int lanes_of(const llvm::Value* value);
// A scalar as a vector; a vector of that many lanes stays itself, and so does all when lanes is 0.
llvm::Value* splat(llvm::IRBuilderBase& builder, llvm::Value* value, int lanes);
llvm::Constant* constant_of(llvm::LLVMContext& context, const Scalar& value, int lanes = 0);

// fn(args), where the arguments have element type `from` (of `where`: the second and third) and the
// result `to`. Multiplications, additions and subtractions may be contracted.
struct ApplyTypes {
  DType from = DType::f32;
  DType to = DType::f32;
};
llvm::Value* emit_apply(llvm::IRBuilderBase& builder, Fn fn, ApplyTypes types,
                        const std::vector<llvm::Value*>& args);

// x / y of floats. The divisor is fenced off: LLVM 22 takes a lane in which both are known to be 0
// for 0, where it is NaN (docs/decisions.md).
llvm::Value* emit_division(llvm::IRBuilderBase& builder, llvm::Value* x, llvm::Value* y);

// One step of a reduction; sums and products may be reassociated.
llvm::Value* emit_combine(llvm::IRBuilderBase& builder, ReduceOp op, DType type, llvm::Value* a,
                          llvm::Value* b);
// All lanes combined, by halves. The number of lanes is a power of two.
llvm::Value* emit_fold(llvm::IRBuilderBase& builder, ReduceOp op, DType type, llvm::Value* vector);

}  // namespace tessera
