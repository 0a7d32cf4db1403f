#pragma once

#include <llvm/IR/IRBuilder.h>

#include <cstdint>

#include "base/dtype.h"
#include "codegen/loop_nest.h"

namespace tessera {

// Sums of many numbers. At most kPlainTerms are added one after the other; longer sums are sums of
// such blocks, and what is lost when a block is added is added to the next one (Kahan, 1965, with
// Knuth's TwoSum for the loss). So the error is that of one block, however many there are:
//
//   |error| <= (kPlainTerms + 2) / 2 ulp of the sum of magnitudes, and some ulp as a rule
//
// where one running sum of f32 is off by 7 % after 10^7 terms.
// Is a sum of this type one of rounded numbers?
inline bool loses_digits(ReduceOp op, DType type) {
  return op == ReduceOp::sum && is_float(type);
}

// f32 or f64, scalars or vectors: the value is sum + rest, of which the rest is below an ulp.
struct CompensatedSum {
  llvm::Value* sum = nullptr;
  llvm::Value* rest = nullptr;
};

// `total` and one more term, by operations that nothing may reassociate.
CompensatedSum emit_add(llvm::IRBuilderBase& builder, const CompensatedSum& total,
                        llvm::Value* term);

// The value, rounded once.
llvm::Value* emit_total(llvm::IRBuilderBase& builder, const CompensatedSum& total);

}  // namespace tessera
