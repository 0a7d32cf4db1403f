#pragma once

#include <vector>

#include "codegen/gpu/gpu_tile.h"
#include "codegen/llvm/emit_values.h"
#include "codegen/llvm/gpu/gpu_threads.h"
#include "codegen/llvm/gpu/role_index.h"

namespace tessera {

// The buffers of a formula's nest, for a ValueEmitter, among a kernel's arguments; null for what is
// no argument.
std::vector<llvm::Value*> buffers_of(const TileFormula& formula, llvm::Function& kernel);

// One operand's tile on its way into shared memory (shared_tile.h). Every thread computes some
// vectors of it.
class TileOperand {
 public:
  struct Place {
    const Dims* own = nullptr;      // m or n
    int side = 0;                   // rows or columns of the tile
    llvm::Value* origin = nullptr;  // i32: of the tile, along own
    llvm::Value* batch = nullptr;   // i32
  };
  // As what it lies in shared memory. A narrow type holds the operand's values exactly, and they
  // lie there as in memory; others lie as in registers.
  struct Stored {
    DType type;
    SharedTile tile;
  };
  TileOperand(llvm::IRBuilderBase& builder, const GpuTile& tile, const TileFormula& formula,
              const TileLoad& load, const Place& place, const Stored& stored,
              llvm::Function& kernel, llvm::Value* thread);

  // Computes this thread's vectors from `k0` (i32) on, for shared memory at `memory`; beyond the
  // last step of k they are 0, beyond the last row those of the last one. Copies are begun.
  void fetch(llvm::Value* k0, llvm::Value* memory, GpuThreads& threads);
  // What was fetched last, into shared memory at the same place.
  void put(llvm::Value* memory);

 private:
  // Of this thread's i-th vector: its first element along own and along k, within the tile.
  struct Spot {
    llvm::Value* own;
    llvm::Value* k;
  };
  Spot spot(int i);
  llvm::Value* bind(const Spot& spot, llvm::Value* k0);
  bool is_copied() const { return load_.copied >= 0; }
  int vectors() const;
  bool shared_evenly() const;
  llvm::Value* exists(int i);
  llvm::Value* narrowed(llvm::Value* value);
  llvm::Value* place_in(llvm::Value* memory, llvm::Value* line, llvm::Value* at);
  llvm::Value* place_in(llvm::Value* memory, const Spot& spot);
  void copy(const Spot& spot, llvm::Value* k0, llvm::Value* memory, GpuThreads& threads);
  void store(llvm::Value* value, llvm::Value* memory, const Spot& spot);

  llvm::IRBuilderBase& b_;
  const GpuTile& tile_;
  const TileFormula& formula_;
  const TileLoad load_;
  const Place place_;
  const Stored stored_;
  llvm::Value* thread_;
  llvm::Type* element_;  // in shared memory
  ValueEmitter values_;
  std::vector<llvm::AllocaInst*> fetched_;
};

}  // namespace tessera
