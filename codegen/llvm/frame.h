#pragma once

#include <llvm/IR/IRBuilder.h>

#include <functional>

namespace tessera {

// Control flow in the function that the builder is in.

// for (i = begin; i < end; i += step) body(i), with 64-bit i. `end - begin` is a multiple of step.
void emit_for(llvm::IRBuilderBase& builder, llvm::Value* begin, llvm::Value* end, int64_t step,
              const std::function<void(llvm::Value*)>& body);

// if (condition) then(); else otherwise();
void emit_if(llvm::IRBuilderBase& builder, llvm::Value* condition,
             const std::function<void()>& then, const std::function<void()>& otherwise = {});

// Where `outside`, an i1 or a vector of them, holds: stores the fault `code` with the value of
// `index` there, of the first lane that is outside.
void report_fault(llvm::IRBuilderBase& builder, llvm::Value* outside, llvm::Value* index,
                  int64_t code, llvm::Value* fault);

// A variable in the function's frame; optimisation turns it into a register.
llvm::AllocaInst* emit_variable(llvm::IRBuilderBase& builder, llvm::Type* type);

// 0, 1, 2, … times `step`, as 32- or 64-bit integers.
llvm::Constant* iota(llvm::Type* element, int lanes, int64_t step = 1);

}  // namespace tessera
