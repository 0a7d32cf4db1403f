#pragma once

#include <llvm/IR/Module.h>

#include <string>

#include "codegen/gpu/gpu_machine.h"
#include "codegen/gpu/gpu_tile.h"

namespace tessera {

// Adds the kernel `symbol` (gpu_threads.h), whose arguments are the group's inputs, then outputs:
// one tile of the result for each of `tile.blocks()` blocks of `tile.shape.threads()` threads.
void emit_gpu_tile(llvm::Module& module, const GpuTile& tile, const std::string& symbol,
                   GpuMachine machine);

}  // namespace tessera
