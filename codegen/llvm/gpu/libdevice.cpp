#include "codegen/llvm/gpu/libdevice.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IRReader/IRReader.h>
#include <llvm/Linker/Linker.h>
#include <llvm/Support/SourceMgr.h>

#include <cstdlib>
#include <set>
#include <vector>

#include "base/error.h"
#include "codegen/llvm/gpu/ptx.h"

namespace tessera {
namespace {

// fmod of libdevice in place of frem; a fence (emit_division) guards against a back end that is not
// this one's.
void replace_instructions(llvm::Module& module) {
  std::vector<llvm::Instruction*> found;
  for (llvm::Function& function : module)
    for (llvm::Instruction& each : llvm::instructions(function)) {
      const auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&each);
      if (each.getOpcode() == llvm::Instruction::FRem ||
          (call != nullptr && call->getIntrinsicID() == llvm::Intrinsic::arithmetic_fence))
        found.push_back(&each);
    }
  for (llvm::Instruction* each : found) {
    llvm::Value* with = each->getOperand(0);
    if (each->getOpcode() == llvm::Instruction::FRem) {
      llvm::IRBuilder<> b(each);
      llvm::Type* type = each->getType();
      llvm::Type* element = type->getScalarType();
      const llvm::FunctionCallee fmod =
          module.getOrInsertFunction(element->isFloatTy() ? "fmodf" : "fmod",
                                     llvm::FunctionType::get(element, {element, element}, false));
      const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
      if (vector == nullptr) {
        with = b.CreateCall(fmod, {each->getOperand(0), each->getOperand(1)});
      } else {
        with = llvm::PoisonValue::get(type);
        for (uint64_t i = 0; i < vector->getNumElements(); ++i)
          with = b.CreateInsertElement(
              with,
              b.CreateCall(fmod, {b.CreateExtractElement(each->getOperand(0), i),
                                  b.CreateExtractElement(each->getOperand(1), i)}),
              i);
      }
    }
    each->replaceAllUsesWith(with);
    each->eraseFromParent();
  }
}

}  // namespace

std::string libdevice_path() {
  const char* home = std::getenv("CUDA_HOME");
  return std::string(home != nullptr ? home : "/usr/local/cuda") +
         "/nvvm/libdevice/libdevice.10.bc";
}

void link_libdevice(llvm::Module& module) {
  replace_instructions(module);
  std::set<std::string> wanted;
  for (llvm::Function& function : module) {
    if (!function.isDeclaration() || function.isIntrinsic()) continue;
    function.setName("__nv_" + function.getName().str());
    function.setMemoryEffects(llvm::MemoryEffects::none());
    wanted.insert(function.getName().str());
  }
  if (wanted.empty()) return;
  llvm::SMDiagnostic problem;
  std::unique_ptr<llvm::Module> library =
      llvm::parseIRFile(libdevice_path(), problem, module.getContext());
  if (library == nullptr)
    throw UserError("kernels that call " + wanted.begin()->substr(5) +
                    " need CUDA's libdevice, and " + libdevice_path() +
                    " cannot be read: " + problem.getMessage().str() +
                    "; install the CUDA toolkit, or set CUDA_HOME to where it is");
  library->setDataLayout(module.getDataLayout());
  library->setTargetTriple(module.getTargetTriple());
  const bool failed =
      llvm::Linker::linkModules(module, std::move(library), llvm::Linker::Flags::LinkOnlyNeeded);
  TESSERA_CHECK(!failed) << libdevice_path();
  for (llvm::Function& function : module)
    if (function.getName().starts_with("__nv")) {
      TESSERA_CHECK(!function.isDeclaration() || function.getName() == "__nvvm_reflect")
          << function.getName().str() << " is not in " << libdevice_path();
      if (!function.isDeclaration()) function.setLinkage(llvm::GlobalValue::InternalLinkage);
    }
}

}  // namespace tessera
