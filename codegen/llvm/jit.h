#pragma once

#include <functional>
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

// Runs `emit` on a fresh module, optimises it when asked, and returns the object file. `emit` must
// set nothing but functions: target attributes are added here. Thread-safe.
std::string build_object(const std::function<void(llvm::Module&)>& emit, bool optimize,
                         CpuLevel level);
// The module as text, before and after optimisation, for debugging and tests.
std::string build_text(const std::function<void(llvm::Module&)>& emit, bool optimize,
                       CpuLevel level);

// Links object files into this process. They may call the C library's mathematical functions and
// memory functions, nothing else. Thread-safe.
class Jit {
 public:
  Jit();
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
