#pragma once

#include <llvm/IR/Module.h>

#include <string>

#include "codegen/gpu/gpu_machine.h"
#include "codegen/gpu/gpu_schedule.h"

namespace tessera {

// Adds the kernel `symbol` (gpu_threads.h) that runs the nest as its schedule says, on
// `schedule.blocks` blocks of `schedule.threads()` threads. The nest has
// points.
void emit_gpu_nest(llvm::Module& module, const GpuNest& nest, const std::string& symbol,
                   GpuMachine machine);

}  // namespace tessera
