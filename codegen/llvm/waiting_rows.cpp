#include "codegen/llvm/waiting_rows.h"

#include <algorithm>

#include "codegen/llvm/frame.h"
#include "codegen/llvm/scalars.h"

namespace tessera {

WaitingRows::WaitingRows(llvm::IRBuilderBase& builder, const LoopNest& nest, ValueEmitter& values)
    : b_(builder), nest_(nest), values_(values), rows_(transposed_stores(nest)) {}

const std::vector<Store>& WaitingRows::stores() const {
  const Stage& stage = nest_.stages[0];
  return stage.reduced.empty() ? stage.inner : stage.outer;
}

void WaitingRows::emit(const std::function<void(llvm::Value*)>& inside) {
  int64_t steps = values_.lanes();
  for (size_t i = 0; i < rows_.stores.size(); ++i)
    steps = std::min(steps, values_.square_of(waiting(i).node));
  memory_.clear();
  for (size_t i = 0; i < rows_.stores.size(); ++i)
    memory_.push_back(emit_variable(b_, llvm::ArrayType::get(values_.vector_of(waiting(i).node),
                                                             static_cast<uint64_t>(steps))));
  const auto i64 = [&](int64_t value) { return b_.getInt64(static_cast<uint64_t>(value)); };
  const int64_t extent = nest_.loops[static_cast<size_t>(rows_.loop)].extent;
  const int64_t full = extent / steps * steps;
  if (full > 0)
    emit_for(b_, i64(0), i64(full), steps,
             [&](llvm::Value* from) { emit_block(from, steps, inside); });
  if (full < extent) emit_block(i64(full), extent - full, inside);
}

void WaitingRows::emit_block(llvm::Value* from, int64_t count,
                             const std::function<void(llvm::Value*)>& inside) {
  emit_for(b_, b_.getInt64(0), b_.getInt64(static_cast<uint64_t>(count)), 1,
           [&](llvm::Value* step) {
             step_ = step;
             inside(b_.CreateNSWAdd(from, step));
             step_ = nullptr;
           });
  const ValueEmitter::Scope scope(values_);
  values_.bind(rows_.loop, from);
  for (size_t i = 0; i < memory_.size(); ++i)
    values_.store_transposed(waiting(i), count, memory_[i]);
}

void WaitingRows::store(const std::vector<Store>& stored, const std::vector<llvm::Value*>& values) {
  for (size_t i = 0; i < stored.size(); ++i) {
    const auto row = std::find(rows_.stores.begin(), rows_.stores.end(), static_cast<int>(i));
    if (step_ == nullptr || row == rows_.stores.end() || &stored != &stores()) {
      values_.store(stored[i], values[i]);
      continue;
    }
    llvm::Value* memory = memory_[static_cast<size_t>(row - rows_.stores.begin())];
    b_.CreateStore(splat(b_, values[i], values_.lanes()),
                   b_.CreateGEP(values_.vector_of(stored[i].node), memory, step_));
  }
}

}  // namespace tessera
