#pragma once

#include <llvm/IR/IRBuilder.h>

#include <functional>

#include "codegen/loop_nest.h"

namespace tessera {

// Which steps of a scan there are: those for `in` from `low` to before `end`. Extents are those of
// the loops `in` and `out`.
struct ScanRange {
  int64_t ins = 0, outs = 0;
  int64_t low = 0, end = 0;
};
// All steps: one for each index of `in`, and before and after those what the offset adds.
ScanRange scan_range(const LoopNest& nest, const ScanLoops& scan);

// The steps in their order: `take(in)` where 0 <= in < ins, then `give(out)` where 0 <= out < outs.
void emit_scan_steps(llvm::IRBuilderBase& builder, const ScanLoops& scan, const ScanRange& range,
                     const std::function<void(llvm::Value*)>& take,
                     const std::function<void(llvm::Value*)>& give);

}  // namespace tessera
