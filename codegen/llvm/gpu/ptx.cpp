#include "codegen/llvm/gpu/ptx.h"

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>

#include <mutex>

#include "base/error.h"
#include "codegen/llvm/gpu/libdevice.h"
#include "codegen/llvm/module_setup.h"

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

std::unique_ptr<llvm::TargetMachine> machine_of(const std::string& arch) {
  initialize_nvptx();
  return make_machine({.triple = kTriple,
                       .cpu = arch,
                       .features = features_of(arch),
                       .effort = llvm::CodeGenOptLevel::Aggressive});
}

void optimize(llvm::Module& module, llvm::TargetMachine& machine) {
  PassAnalyses analyses(machine);
  analyses.builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3)
      .run(module, analyses.modules);
}

void fill_module(llvm::Module& module, llvm::TargetMachine& machine,
                 const std::function<void(llvm::Module&)>& fill) {
  set_target(module, machine);
  fill(module);
  link_libdevice(module);
  verify(module);
  optimize(module, machine);
}

}  // namespace

std::string build_ptx(const std::function<void(llvm::Module&)>& fill, const std::string& arch) {
  const std::unique_ptr<llvm::TargetMachine> machine = machine_of(arch);
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
  const std::unique_ptr<llvm::TargetMachine> machine = machine_of(arch);
  llvm::LLVMContext context;
  llvm::Module module("tessera", context);
  fill_module(module, *machine, fill);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

}  // namespace tessera
