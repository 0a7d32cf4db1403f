#pragma once

#include <llvm/Target/TargetMachine.h>

#include <memory>

#include "codegen/llvm/jit.h"

namespace tessera {

// Registers the host's code generator with LLVM, once a process.
void initialize_llvm();

// A code generator for the target; one for each thread that compiles.
std::unique_ptr<llvm::TargetMachine> make_target_machine(const CodeTarget& target);

}  // namespace tessera
