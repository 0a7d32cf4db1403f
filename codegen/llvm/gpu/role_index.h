#pragma once

#include <llvm/IR/IRBuilder.h>

#include <vector>

#include "codegen/llvm/emit_values.h"
#include "codegen/loop_nest.h"

namespace tessera {

// The flattened index of some dims, i32, outermost first.
struct RoleIndex {
  const Dims* dims = nullptr;
  llvm::Value* index = nullptr;
};

// Binds every loop of the nest to what its dims' roles say. Dims that follow each other in a role
// as they do in a loop take one division.
//
//   m = batch, oy, ox with index i; loops batch and oy*ox of 14 x 14:  i / 196 and i % 196
void bind_roles(llvm::IRBuilderBase& builder, ValueEmitter& values, const LoopNest& nest,
                const std::vector<RoleIndex>& roles);

}  // namespace tessera
