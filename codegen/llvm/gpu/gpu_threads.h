#pragma once

#include <llvm/IR/IRBuilder.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "codegen/gpu/gpu_machine.h"
#include "codegen/narrow_product.h"

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
  // Four squares of 8 x 8 elements of 16 bits from shared memory, of which thread 8 s + l of the
  // warp gives the address of line l of square s, 16 bytes that 16 divides. Thread 4 l + p gets of
  // each square elements 2 p and 2 p + 1 of line l, or of column l where they are turned. All
  // threads of the warp call it.
  std::array<llvm::Value*, 4> squares(llvm::Value* address, bool turned);
  // c + a * b of matrices that the warp holds: a of 16 lines and b of 8 columns of 32 bytes, two
  // words of b in each thread, c of 16 x 8 words, laid out as PTX says (gpu/warp_functions.h). All
  // threads of the warp call it.
  using Words = std::array<llvm::Value*, 4>;
  Words multiply(const NarrowTypes& types, const Words& a, const std::array<llvm::Value*, 2>& b,
                 const Words& c);
  // Begins to copy 16 bytes from global to shared memory, both at addresses that 16 divides; 0
  // where `exists` (i1; nullptr: always) does not hold. The thread closes a group of copies, and
  // waits until at most `pending` of its groups, the latest ones, are not there yet. Behind a
  // barrier others see them, too.
  void copy(llvm::Value* to, llvm::Value* from, llvm::Value* exists);
  void close_copies();
  void wait_for_copies(int pending);
  // The block's shared memory. Once a kernel.
  llvm::Value* shared(size_t bytes, const std::string& name);

  GpuMachine machine() const { return machine_; }
  // A function of the simulated machine.
  llvm::Value* call(const char* name, llvm::Type* result, const std::vector<llvm::Value*>& args);

 private:
  llvm::Value* word_of_other(llvm::Value* word, int mask);

  // A variable for `count` words that functions of the simulated machine read and write.
  llvm::Value* words(unsigned count);

  llvm::IRBuilderBase& b_;
  GpuMachine machine_;
  llvm::AllocaInst* words_ = nullptr;
};

// A kernel of the module: a pointer for each argument, then one to the word for faults
// (codegen/fault.h). For the simulated machine, beside it the function `symbol` of an array of all
// these pointers.
llvm::Function* declare_gpu_kernel(llvm::Module& module, const std::string& symbol, int arguments,
                                   int threads, GpuMachine machine);

}  // namespace tessera
