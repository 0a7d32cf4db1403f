#pragma once

#include <llvm/IR/IRBuilder.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "codegen/gpu/gpu_machine.h"

namespace tessera {

// What a thread of a GPU knows and does besides arithmetic, at the builder's insertion point: PTX's
// registers and instructions, or calls of the simulated machine's functions (gpu/simulate.h).
class GpuThreads {
 public:
  GpuThreads(llvm::IRBuilderBase& builder, GpuMachine machine);

  llvm::Value* thread();  // i32, within the block
  llvm::Value* block();   // i32
  // All threads of the block arrive before any goes on.
  void barrier();
  // What thread `thread ^ mask` of the same warp has; mask < 32. All threads of the warp call it.
  llvm::Value* of_other(llvm::Value* value, int mask);
  // The block's shared memory. Once a kernel.
  llvm::Value* shared(size_t bytes, const std::string& name);

  GpuMachine machine() const { return machine_; }
  // A function of the simulated machine.
  llvm::Value* call(const char* name, llvm::Type* result, const std::vector<llvm::Value*>& args);

 private:
  llvm::Value* word_of_other(llvm::Value* word, int mask);

  llvm::IRBuilderBase& b_;
  GpuMachine machine_;
};

// A kernel of the module: a pointer for each argument, then one to the word for faults
// (codegen/fault.h). For the simulated machine, beside it the function `symbol` of an array of all
// these pointers.
llvm::Function* declare_gpu_kernel(llvm::Module& module, const std::string& symbol, int arguments,
                                   int threads, GpuMachine machine);

}  // namespace tessera
