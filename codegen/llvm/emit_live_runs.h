#pragma once

#include <functional>

#include "codegen/llvm/contraction_context.h"

namespace tessera {

// Steps of k of one panel of b, from its first column on.
struct LiveRuns {
  llvm::Value* column;  // in all of n
  llvm::Value* k;
  llvm::Value* count;
  llvm::Value* all;  // an i1: leave nothing out
};

// body(k, count) for each stretch of the steps that holds more of b than pad (pad_runs.h), in
// order.
//
//   runs of 64 steps, the second of four is pad; k = 0, count = 256:  body(0, 64); body(128, 128)
void emit_live_runs(ContractionContext& context, llvm::IRBuilder<>& b, const LiveRuns& where,
                    const std::function<void(llvm::Value* k, llvm::Value* count)>& body);

}  // namespace tessera
