#include "codegen/llvm/gpu/ptx.h"

#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Triple.h>

#include <mutex>

#include "base/error.h"
#include "codegen/llvm/gpu/libdevice.h"

namespace tessera {
namespace {

constexpr const char* kTriple = "nvptx64-nvidia-cuda";

void initialize_nvptx() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
}

// The version of PTX that is known to describe such a device: 7.0 from sm_80 on, 8.6 for sm_100.
std::string features_of(const std::string& arch) {
  const int number = std::stoi(arch.substr(3));
  return number >= 100 ? "+ptx86" : number >= 90 ? "+ptx80" : "+ptx71";
}

std::unique_ptr<llvm::TargetMachine> make_machine(const std::string& arch) {
  initialize_nvptx();
  const llvm::Triple triple(kTriple);
  std::string error;
#if LLVM_VERSION_MAJOR >= 22
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
#else
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(kTriple, error);
#endif
  TESSERA_CHECK(target != nullptr) << error;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
#if LLVM_VERSION_MAJOR >= 21
  const llvm::Triple& name = triple;
#else
  const std::string name = kTriple;
#endif
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(name, arch, features_of(arch), options, llvm::Reloc::PIC_,
                                  std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

void optimize(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

void fill_module(llvm::Module& module, llvm::TargetMachine& machine,
                 const std::function<void(llvm::Module&)>& fill) {
  module.setDataLayout(machine.createDataLayout());
#if LLVM_VERSION_MAJOR >= 21
  module.setTargetTriple(machine.getTargetTriple());
#else
  module.setTargetTriple(machine.getTargetTriple().str());
#endif
  fill(module);
  link_libdevice(module);
  std::string text;
  llvm::raw_string_ostream stream(text);
  TESSERA_CHECK(!llvm::verifyModule(module, &stream)) << "the code that was emitted: " << text;
  optimize(module, machine);
}

}  // namespace

std::string build_ptx(const std::function<void(llvm::Module&)>& fill, const std::string& arch) {
  const std::unique_ptr<llvm::TargetMachine> machine = make_machine(arch);
  llvm::LLVMContext context;
  llvm::Module module("tessera", context);
  fill_module(module, *machine, fill);
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  const bool refused =
      machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile);
  TESSERA_CHECK(!refused) << "LLVM's NVPTX code generator writes no text";
  passes.run(module);
  return {text.begin(), text.end()};
}

std::string build_ptx_text(const std::function<void(llvm::Module&)>& fill,
                           const std::string& arch) {
  const std::unique_ptr<llvm::TargetMachine> machine = make_machine(arch);
  llvm::LLVMContext context;
  llvm::Module module("tessera", context);
  fill_module(module, *machine, fill);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

}  // namespace tessera
