#include "codegen/llvm/target.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/Triple.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "base/error.h"

namespace tessera {
namespace {

bool has_all(const llvm::StringMap<bool>& features, std::initializer_list<const char*> wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const char* name) {
    const auto it = features.find(name);
    return it != features.end() && it->second;
  });
}

// The processor's name is not asked: virtual machines give wrong ones.
HostTarget find_host() {
  HostTarget host;
  host.triple = llvm::sys::getProcessTriple();
  host.llvm = LLVM_VERSION_STRING;
  const llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  std::vector<std::string> list;
  for (const auto& entry : features)
    list.push_back((entry.getValue() ? "+" : "-") + entry.getKey().str());
  std::sort(list.begin(), list.end());
  host.features = join(list, ",");
  if (llvm::Triple(host.triple).getArch() != llvm::Triple::x86_64) {
    host.cpu = "generic";
    return host;
  }
  host.cpu = "x86-64";
  if (has_all(features, {"avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"})) {
    host.cpu = "x86-64-v3";
    host.vector_bytes = 32;
    if (has_all(features, {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})) {
      host.cpu = "x86-64-v4";
      host.vector_bytes = 64;
    }
  } else if (has_all(features, {"sse4.2", "ssse3", "popcnt", "cx16"})) {
    host.cpu = "x86-64-v2";
  }
  return host;
}

}  // namespace

std::string HostTarget::text() const {
  return triple + " " + cpu + " " + features + " llvm " + llvm;
}

const HostTarget& host_target() {
  static const HostTarget host = find_host();
  return host;
}

void initialize_llvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
}

std::unique_ptr<llvm::TargetMachine> make_target_machine() {
  initialize_llvm();
  const HostTarget& host = host_target();
  const llvm::Triple triple(host.triple);
  std::string error;
#if LLVM_VERSION_MAJOR >= 22
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
#else
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(host.triple, error);
#endif
  TESSERA_CHECK(target != nullptr) << error;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
#if LLVM_VERSION_MAJOR >= 21
  const llvm::Triple& name = triple;
#else
  const std::string& name = host.triple;
#endif
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(name, host.cpu, host.features, options, llvm::Reloc::PIC_,
                                  std::nullopt, llvm::CodeGenOptLevel::Default, /*JIT=*/true));
}

}  // namespace tessera
