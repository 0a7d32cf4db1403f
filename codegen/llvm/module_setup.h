#pragma once

#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/PassManager.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/CodeGen.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <string>

namespace tessera {

// What code for any target needs of LLVM before and after it is emitted.

// A code generator whose target was registered before; InternalError where LLVM has none.
struct MachineSettings {
  std::string triple, cpu, features;
  llvm::CodeGenOptLevel effort = llvm::CodeGenOptLevel::Default;
  bool jit = false;
};
std::unique_ptr<llvm::TargetMachine> make_machine(const MachineSettings& settings);

// Gives the module the data layout and the triple of the machine, and notes what else depends on
// it.
void set_target(llvm::Module& module, const llvm::TargetMachine& machine);

// Does the machine have AVX-512, for vectors of 128 bits as well?
bool has_avx512(const llvm::Module& module);

// InternalError, with LLVM's words, where what was emitted makes no sense.
void verify(llvm::Module& module);

// The analyses that passes over one module ask for.
struct PassAnalyses {
  explicit PassAnalyses(llvm::TargetMachine& machine);

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder;
};

}  // namespace tessera
