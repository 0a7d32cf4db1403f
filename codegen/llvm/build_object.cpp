#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/DCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/LoopUnrollPass.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>
#include <llvm/Transforms/Utils/Mem2Reg.h>

#include "base/error.h"
#include "codegen/llvm/module_setup.h"
#include "codegen/llvm/target.h"

namespace tessera {
namespace {

void set_attributes(llvm::Module& module, const CodeTarget& target) {
  for (llvm::Function& function : module) {
    if (function.isDeclaration()) continue;
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
    const std::string bits = std::to_string(8 * target.vector_bytes);
    function.addFnAttr("prefer-vector-width", bits);
    function.addFnAttr("min-legal-vector-width", bits);
  }
}

// Vectors and accumulators are explicit already: what is left is cleaning up, moving what does not
// change out of loops and unrolling short loops.
void run_passes(llvm::Module& module, llvm::TargetMachine& machine) {
  PassAnalyses analyses(machine);
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::PromotePass());
  passes.addPass(llvm::EarlyCSEPass(false));
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()),
                                                       /*UseMemorySSA=*/true));
  passes.addPass(llvm::LoopUnrollPass(llvm::LoopUnrollOptions(2)));
  passes.addPass(llvm::EarlyCSEPass(true));
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::DCEPass());
  for (llvm::Function& function : module)
    if (!function.isDeclaration()) passes.run(function, analyses.functions);
}

void prepare(llvm::Module& module, llvm::TargetMachine& machine, const CodeTarget& target,
             const ModuleCode& code, bool optimize) {
  set_target(module, machine);
  if (code.optimized) {
    code.optimized(module);
    set_attributes(module, target);
    verify(module);
    if (optimize) run_passes(module, machine);
  }
  if (code.plain) {
    code.plain(module);
    set_attributes(module, target);
    verify(module);
  }
}

}  // namespace

std::string build_object(const ModuleCode& code, CpuLevel level) {
  const CodeTarget& target = code_target(level);
  const std::unique_ptr<llvm::TargetMachine> machine = make_target_machine(target);
  llvm::LLVMContext context;
  llvm::Module module("tessera", context);
  prepare(module, *machine, target, code, true);
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager passes;
  const bool refused =
      machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile);
  TESSERA_CHECK(!refused) << "the host's code generator writes no object files";
  passes.run(module);
  return {object.begin(), object.end()};
}

std::string build_text(const ModuleCode& code, bool optimize, CpuLevel level) {
  const CodeTarget& target = code_target(level);
  const std::unique_ptr<llvm::TargetMachine> machine = make_target_machine(target);
  llvm::LLVMContext context;
  llvm::Module module("tessera", context);
  prepare(module, *machine, target, code, optimize);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

}  // namespace tessera
