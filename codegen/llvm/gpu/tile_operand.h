#pragma once

#include <vector>

#include "codegen/gpu/gpu_tile.h"
#include "codegen/llvm/emit_values.h"
#include "codegen/llvm/gpu/role_index.h"

namespace tessera {

// The buffers of a formula's nest, for a ValueEmitter, among a kernel's arguments; null for what is
// no argument.
std::vector<llvm::Value*> buffers_of(const TileFormula& formula, llvm::Function& kernel);

// One operand's tile on its way into shared memory, where it lies as rows of one step of k each:
// element (k, i) at k * (side + kTilePad) + i. Every thread computes some vectors of it.
class TileOperand {
 public:
  struct Place {
    const Dims* own = nullptr;      // m or n
    int side = 0;                   // rows or columns of the tile
    llvm::Value* origin = nullptr;  // i32: of the tile, along own
    llvm::Value* batch = nullptr;   // i32
  };
  TileOperand(llvm::IRBuilderBase& builder, const GpuTile& tile, const TileFormula& formula,
              DType type, const TileLoad& load, const Place& place, llvm::Function& kernel,
              llvm::Value* thread);

  // Computes this thread's vectors from `k0` (i32) on; beyond the last step of k they are 0, beyond
  // the last row those of the last one.
  void fetch(llvm::Value* k0);
  // What was fetched last, into shared memory at `memory`.
  void put(llvm::Value* memory);

  llvm::Type* element() const { return element_; }
  int64_t bytes() const;  // of a tile in shared memory
  // `count` neighbouring elements of a tile: at step `k`, from element `at` (i32) on, a multiple of
  // `count`.
  std::vector<llvm::Value*> take(llvm::Value* memory, int k, llvm::Value* at, int count);

 private:
  // Of this thread's i-th vector: its first element along own and along k, within the tile.
  struct Spot {
    llvm::Value* own;
    llvm::Value* k;
  };
  Spot spot(int i);
  int vectors() const;
  bool shared_evenly() const;
  llvm::Value* exists(int i);
  int row_elements() const { return place_.side + kTilePad; }

  llvm::IRBuilderBase& b_;
  const GpuTile& tile_;
  const TileFormula& formula_;
  const TileLoad load_;
  const Place place_;
  llvm::Value* thread_;
  llvm::Type* element_;
  ValueEmitter values_;
  std::vector<llvm::AllocaInst*> fetched_;
};

}  // namespace tessera
