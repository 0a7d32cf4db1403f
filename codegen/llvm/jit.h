#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "codegen/cpu_level.h"

namespace llvm {
class Module;
}

namespace tessera {

// A processor as LLVM sees it: what decides the machine code besides the program.
struct CodeTarget {
  std::string triple;
  std::string cpu;       // a generic level, also of `host`: "x86-64-v4", "x86-64-v3", …
  std::string features;  // beyond those of `cpu`: "+avx512f,+fma,..."
  std::string llvm;      // version
  int vector_bytes = 16;

  std::string text() const;  // for cache keys
};
// Of a level that this host contains.
const CodeTarget& code_target(CpuLevel level);

// What fills a module with functions; target attributes are added later. Either may be missing.
struct ModuleCode {
  std::function<void(llvm::Module&)> optimized;  // what LLVM's passes improve
  std::function<void(llvm::Module&)> plain;      // added after them, and left as it is
};

// The object file of a fresh module. Thread-safe.
std::string build_object(const ModuleCode& code, CpuLevel level);
// The module as text, before and after optimisation, for debugging and tests.
std::string build_text(const ModuleCode& code, bool optimize, CpuLevel level);

// Links object files into this process. They may call the C library's mathematical functions and
// memory functions, and those that are given by name, nothing else. Thread-safe.
class Jit {
 public:
  explicit Jit(std::map<std::string, void*> functions = {});
  ~Jit();
  Jit(const Jit&) = delete;
  Jit& operator=(const Jit&) = delete;

  // The address of `symbol`, defined by `object`; different objects may define the same one. Throws
  // InternalError with the linker's message.
  void* link(const std::string& object, const std::string& symbol);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera
