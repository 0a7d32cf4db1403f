#pragma once

#include <memory>
#include <vector>

#include "codegen/gpu/gpu_tile.h"
#include "codegen/llvm/gpu/gpu_threads.h"

namespace tessera {

// How the threads of a block multiply what lies in shared memory, and which sums each of them has.
class TileProducts {
 public:
  virtual ~TileProducts() = default;

  // Adds the products of the tiles at `a` and `b`, whose k begins at `first_k` (i32).
  virtual void multiply(llvm::Value* a, llvm::Value* b, llvm::Value* first_k) = 0;

  // Neighbours along n that this thread has, from (row, column) of the tile on, i32.
  struct Result {
    llvm::Value* row;
    llvm::Value* column;
    std::vector<llvm::AllocaInst*> sums;
  };
  // All of the thread's, by `lanes`, which divide the neighbours that it has.
  virtual std::vector<Result> results(int lanes) = 0;
};

struct ProductContext {
  llvm::IRBuilderBase& builder;
  const GpuTile& tile;
  llvm::Function& kernel;
  GpuThreads& threads;
  llvm::Value* thread;  // i32
};
// Each thread by itself. Their sums begin at what the reduction begins at, here and below.
std::unique_ptr<TileProducts> thread_products(const ProductContext& context);
// Warps, by units for matrices. The tile is narrow.
std::unique_ptr<TileProducts> matrix_products(const ProductContext& context);

// Variables for so many sums.
std::vector<llvm::AllocaInst*> make_sums(const ProductContext& context, int count);

}  // namespace tessera
