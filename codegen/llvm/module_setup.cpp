#include "codegen/llvm/module_setup.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/TargetParser/Triple.h>

#include "base/error.h"

namespace tessera {
namespace {

constexpr const char* kAvx512 = "tessera avx512";

}  // namespace

std::unique_ptr<llvm::TargetMachine> make_machine(const MachineSettings& settings) {
  const llvm::Triple triple(settings.triple);
  std::string error;
#if LLVM_VERSION_MAJOR >= 22
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
#else
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(settings.triple, error);
#endif
  TESSERA_CHECK(target != nullptr) << error;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
#if LLVM_VERSION_MAJOR >= 21
  const llvm::Triple& name = triple;
#else
  const std::string& name = settings.triple;
#endif
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(name, settings.cpu, settings.features, options, llvm::Reloc::PIC_,
                                  std::nullopt, settings.effort, settings.jit));
}

void set_target(llvm::Module& module, const llvm::TargetMachine& machine) {
  module.setDataLayout(machine.createDataLayout());
#if LLVM_VERSION_MAJOR >= 21
  module.setTargetTriple(machine.getTargetTriple());
#else
  module.setTargetTriple(machine.getTargetTriple().str());
#endif
  const bool avx512 = machine.getTargetTriple().getArch() == llvm::Triple::x86_64 &&
                      machine.getMCSubtargetInfo()->checkFeatures("+avx512f,+avx512vl");
  module.addModuleFlag(llvm::Module::Override, kAvx512, avx512 ? 1 : 0);
}

bool has_avx512(const llvm::Module& module) {
  const llvm::Metadata* flag = module.getModuleFlag(kAvx512);
  return flag != nullptr && !llvm::mdconst::extract<llvm::ConstantInt>(flag)->isZero();
}

void verify(llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  TESSERA_CHECK(!llvm::verifyModule(module, &stream)) << "the code that was emitted: " << text;
}

PassAnalyses::PassAnalyses(llvm::TargetMachine& machine) : builder(&machine) {
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
}

}  // namespace tessera
