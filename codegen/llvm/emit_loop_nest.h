#pragma once

#include <llvm/IR/Module.h>

#include <string>

#include "codegen/contraction_schedule.h"
#include "codegen/loop_nest.h"

namespace tessera {

// Adds the function `symbol`, a Kernel::Entry, that runs chunks of the scheduled nest on a target.
llvm::Function* emit_loop_nest(llvm::Module& module, const LoopNest& nest,
                               const std::string& symbol, const VectorTarget& target);

// The declaration of a Kernel::Entry with its attributes, without a body.
llvm::Function* declare_entry(llvm::Module& module, const std::string& symbol);

}  // namespace tessera
