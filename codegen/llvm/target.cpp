#include "codegen/llvm/target.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/Triple.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "codegen/llvm/module_setup.h"

namespace tessera {
namespace {

bool has_all(const llvm::StringMap<bool>& features, std::initializer_list<const char*> wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const char* name) {
    const auto it = features.find(name);
    return it != features.end() && it->second;
  });
}

// What each level adds to the one below, lowest first.
struct Level {
  CpuLevel level;
  std::initializer_list<const char*> adds;
  int vector_bytes;
};
const Level kLevels[] = {
    {CpuLevel::v2, {"sse4.2", "ssse3", "popcnt", "cx16"}, 16},
    {CpuLevel::v3, {"avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"}, 32},
    {CpuLevel::v4, {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}, 64},
};

// The host's target and those of the levels in it. The processor's name is not asked: virtual
// machines give wrong ones.
std::map<CpuLevel, CodeTarget> find_targets() {
  CodeTarget host;
  host.triple = llvm::sys::getProcessTriple();
  host.llvm = LLVM_VERSION_STRING;
  const bool x86 = llvm::Triple(host.triple).getArch() == llvm::Triple::x86_64;
  host.cpu = x86 ? "x86-64" : "generic";
  std::map<CpuLevel, CodeTarget> targets;
  const llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  for (const Level& level : kLevels) {
    if (!x86 || !has_all(features, level.adds)) break;
    host.cpu = name_of(level.level);
    host.vector_bytes = level.vector_bytes;
    targets[level.level] = host;
  }
  std::vector<std::string> list;
  for (const auto& entry : features)
    list.push_back((entry.getValue() ? "+" : "-") + entry.getKey().str());
  std::sort(list.begin(), list.end());
  host.features = join(list, ",");
  targets[CpuLevel::host] = host;
  return targets;
}

const std::map<CpuLevel, CodeTarget>& targets_here() {
  static const std::map<CpuLevel, CodeTarget> targets = find_targets();
  return targets;
}

}  // namespace

const std::vector<CpuLevel>& cpu_levels_here() {
  static const std::vector<CpuLevel> levels = [] {
    std::vector<CpuLevel> found;
    for (const auto& [level, target] : targets_here()) found.push_back(level);
    return found;
  }();
  return levels;
}

std::string processor_of(CpuLevel level) {
  return code_target(level).cpu;
}

std::string CodeTarget::text() const {
  return triple + " " + cpu + " " + features + " llvm " + llvm;
}

const CodeTarget& code_target(CpuLevel level) {
  const auto found = targets_here().find(level);
  TESSERA_CHECK(found != targets_here().end()) << "the host lacks " << name_of(level);
  return found->second;
}

void initialize_llvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
}

std::unique_ptr<llvm::TargetMachine> make_target_machine(const CodeTarget& code) {
  initialize_llvm();
  return make_machine({.triple = code.triple,
                       .cpu = code.cpu,
                       .features = code.features,
                       .effort = llvm::CodeGenOptLevel::Default,
                       .jit = true});
}

}  // namespace tessera
