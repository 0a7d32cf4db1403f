#pragma once

#include <llvm/IR/IRBuilder.h>

#include <functional>
#include <vector>

#include "codegen/llvm/emit_values.h"
#include "codegen/loop_nest.h"
#include "codegen/transposed_loads.h"

namespace tessera {

// The stores of a nest whose lanes lie apart while the steps of a loop lie side by side
// (TransposedStores): the vectors of a block of steps wait in the function's frame until they are
// exchanged and stored as a row of steps for each lane.
//
//   emit([&](step) { …; store(stage.outer, values); });
class WaitingRows {
 public:
  WaitingRows(llvm::IRBuilderBase& builder, const LoopNest& nest, ValueEmitter& values);

  int loop() const { return rows_.loop; }  // or -1
  // That loop, in blocks of steps; `inside` binds it.
  void emit(const std::function<void(llvm::Value*)>& inside);
  // The values of a stage at a point: those that wait, and the others, which are stored.
  void store(const std::vector<Store>& stores, const std::vector<llvm::Value*>& values);

 private:
  const std::vector<Store>& stores() const;
  const Store& waiting(size_t i) const { return stores()[static_cast<size_t>(rows_.stores[i])]; }
  void emit_block(llvm::Value* from, int64_t count,
                  const std::function<void(llvm::Value*)>& inside);

  llvm::IRBuilderBase& b_;
  const LoopNest& nest_;
  ValueEmitter& values_;
  const TransposedStores rows_;
  std::vector<llvm::Value*> memory_;  // of each of those: the vectors of a block
  llvm::Value* step_ = nullptr;       // in a block
};

}  // namespace tessera
