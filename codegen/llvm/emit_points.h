#pragma once

#include <functional>

#include "codegen/llvm/emit_values.h"

namespace tessera {

// Binds the collapsed loops (loop_nest.h) of a kernel to what the number of a point says, for
// `body`, which is emitted twice where the last block of lanes is not full.
//
//   collapsed loops of 4 and 10:  point 23 is 2 of the first and 3 of the second
void emit_point(llvm::IRBuilderBase& builder, ValueEmitter& values, const LoopNest& nest,
                llvm::Value* point, const std::function<void()>& body);

// The same for each point from `begin` to `end`, in rows along the last collapsed loop. `row` is
// called where only the loops around it are bound, to evaluate what they decide once a row.
void emit_points(llvm::IRBuilderBase& builder, ValueEmitter& values, const LoopNest& nest,
                 llvm::Value* begin, llvm::Value* end, const std::function<void()>& row,
                 const std::function<void()>& body);

}  // namespace tessera
