#pragma once

#include <llvm/IR/Module.h>

#include <optional>
#include <string>
#include <vector>

#include "codegen/blocked_group.h"

namespace tessera {

// A part of a blocked group as a function of the module, a Kernel::Entry.
struct PartCode {
  llvm::Function* function = nullptr;
  int64_t chunks = 0;
  size_t scratch_bytes = 0;
  // It keeps an operand packed from one block to the next (emit_contraction.h) while this walk, and
  // those outside of it, stay where they are; -1: always.
  std::optional<int> kept_within = {};
};

// First what parts pass to each other, then what each part that keeps an operand needs, then what
// the others need, one after the other.
size_t scratch_bytes_of(const BlockedGroup& group, const std::vector<std::vector<PartCode>>& parts);

// Adds the Kernel::Entry `symbol` that walks the blocks and calls the parts, which are given by
// variant. Chunks are the points of the walks that are not serial.
void emit_blocks(llvm::Module& module, const BlockedGroup& group,
                 const std::vector<std::vector<PartCode>>& parts, const std::string& symbol);

}  // namespace tessera
