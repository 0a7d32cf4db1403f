#include "codegen/llvm/gpu/emit_gpu_tile.h"

#include <algorithm>

#include "codegen/gpu/gpu_schedule.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/gpu/gpu_threads.h"
#include "codegen/llvm/gpu/tile_operand.h"
#include "codegen/llvm/gpu/tile_products.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

class TileEmitter {
 public:
  TileEmitter(llvm::IRBuilderBase& builder, const GpuTile& tile, llvm::Function& kernel,
              const std::string& symbol, GpuMachine machine)
      : b_(builder), tile_(tile), kernel_(kernel), threads_(builder, machine) {
    const Contraction& c = tile.group.contraction;
    llvm::Value* thread = threads_.thread();
    llvm::Value* block = threads_.block();
    const auto columns = number(tile.column_tiles());
    const auto rows = number(tile.row_tiles());
    n0_ = b_.CreateMul(b_.CreateURem(block, columns), number(tile.shape.columns));
    block = b_.CreateUDiv(block, columns);
    m0_ = b_.CreateMul(b_.CreateURem(block, rows), number(tile.shape.rows));
    batch_ = b_.CreateUDiv(block, rows);
    memory_ = threads_.shared(tile.shared_bytes(), symbol + "_shared");
    const auto stored = [&](const Expr& operand, bool left) {
      return !tile.narrow ? operand.type() : left ? tile.narrow->a : tile.narrow->b;
    };
    left_.emplace(b_, tile, tile.a, tile.load_a,
                  TileOperand::Place{&tile.m, tile.shape.rows, m0_, batch_},
                  TileOperand::Stored{stored(c.a, true), tile.shared_a()}, kernel, thread);
    right_.emplace(b_, tile, tile.b, tile.load_b,
                   TileOperand::Place{&tile.n, tile.shape.columns, n0_, batch_},
                   TileOperand::Stored{stored(c.b, false), tile.shared_b()}, kernel, thread);
    const ProductContext context{b_, tile, kernel, threads_, thread};
    products_ = tile.narrow ? matrix_products(context) : thread_products(context);
  }

  void emit() {
    const int64_t steps = (volume(tile_.k) + tile_.shape.depth - 1) / tile_.shape.depth;
    const int64_t ahead = tile_.shape.stages - 1;
    write_ = emit_variable(b_, b_.getInt64Ty());
    read_ = emit_variable(b_, b_.getInt64Ty());
    b_.CreateStore(number64(0), write_);
    b_.CreateStore(number64(0), read_);
    const bool copies = tile_.load_a.copied >= 0 || tile_.load_b.copied >= 0;
    for (int64_t step = 0; step < ahead; ++step) {
      llvm::Value* tile = stage(write_);
      if (step < steps) fetch(number64(step), tile);
      if (step < steps) put(tile);
      if (copies) threads_.close_copies();
    }
    emit_for(b_, number64(0), number64(steps), 1, [&](llvm::Value* step) {
      // Behind the barrier everybody has what is read here, and has read what is written over.
      if (copies) threads_.wait_for_copies(static_cast<int>(ahead - 1));
      threads_.barrier();
      llvm::Value* next = b_.CreateAdd(step, number64(ahead));
      llvm::Value* more = b_.CreateICmpSLT(next, number64(steps));
      llvm::Value* written = stage(write_);
      if (steps > ahead) emit_if(b_, more, [&] { fetch(next, written); });
      if (copies) threads_.close_copies();
      llvm::Value* tile = stage(read_);
      products_->multiply(tile, b_part(tile), first_k(step));
      if (steps > ahead) emit_if(b_, more, [&] { put(written); });
    });
    emit_results();
    b_.CreateRetVoid();
  }

 private:
  llvm::Value* number(int64_t value) { return b_.getInt32(static_cast<uint32_t>(value)); }
  llvm::Value* number64(int64_t value) { return b_.getInt64(static_cast<uint64_t>(value)); }

  llvm::Value* first_k(llvm::Value* step) {
    return b_.CreateMul(b_.CreateTrunc(step, b_.getInt32Ty()), number(tile_.shape.depth));
  }

  void fetch(llvm::Value* step, llvm::Value* tile) {
    llvm::Value* k0 = first_k(step);
    left_->fetch(k0, tile, threads_);
    right_->fetch(k0, b_part(tile), threads_);
  }

  void put(llvm::Value* tile) {
    left_->put(tile);
    right_->put(b_part(tile));
  }

  // Where the tiles of the next step lie that is written, or read: one of `stages`, in turns.
  llvm::Value* stage(llvm::AllocaInst* turn) {
    llvm::Value* at = b_.CreateLoad(b_.getInt64Ty(), turn);
    llvm::Value* next = b_.CreateAdd(at, number64(static_cast<int64_t>(tile_.stage_bytes())));
    llvm::Value* end = number64(static_cast<int64_t>(tile_.shared_bytes()));
    b_.CreateStore(b_.CreateSelect(b_.CreateICmpEQ(next, end), number64(0), next), turn);
    return b_.CreateGEP(b_.getInt8Ty(), memory_, at);
  }

  llvm::Value* b_part(llvm::Value* tile) {
    return b_.CreateConstGEP1_64(b_.getInt8Ty(), tile,
                                 static_cast<uint64_t>(tile_.shared_a().bytes()));
  }

  void emit_results() {
    ValueEmitter values(b_, tile_.result.nest, buffers_of(tile_.result, kernel_),
                        kernel_.getArg(kernel_.arg_size() - 1), static_cast<int>(kGpuVectorBytes),
                        kGpuVectorBytes);
    const LoopNest& nest = tile_.result.nest;
    int lane = -1;
    for (size_t l = 0; l < nest.loops.size() && tile_.result_lanes > 1; ++l)
      if (nest.loops[l].dims.back() == tile_.n.back()) lane = static_cast<int>(l);
    for (const TileProducts::Result& result : products_->results(tile_.result_lanes)) {
      llvm::Value* m = b_.CreateAdd(m0_, result.row);
      llvm::Value* n = b_.CreateAdd(n0_, result.column);
      emit_if(b_, is_inside(m, n), [&] {
        const ValueEmitter::Scope scope(values);
        values.set_lanes(lane, tile_.result_lanes);
        bind_roles(b_, values, nest, {{&tile_.batch, batch_}, {&tile_.m, m}, {&tile_.n, n}});
        if (tile_.result.node >= 0) values.know(tile_.result.node, value_of(result.sums));
        store_results(values);
      });
    }
  }

  llvm::Value* is_inside(llvm::Value* m, llvm::Value* n) {
    llvm::Value* inside = b_.getTrue();
    if (volume(tile_.m) % tile_.shape.rows != 0)
      inside = b_.CreateICmpULT(m, number(volume(tile_.m)));
    if (volume(tile_.n) % tile_.shape.columns != 0)
      inside = b_.CreateAnd(inside, b_.CreateICmpULT(n, number(volume(tile_.n))));
    return inside;
  }

  llvm::Value* value_of(const std::vector<llvm::AllocaInst*>& sums) {
    const auto at = [&](llvm::AllocaInst* sum) {
      return b_.CreateLoad(sum->getAllocatedType(), sum);
    };
    if (sums.size() == 1) return at(sums[0]);
    llvm::Value* vector =
        llvm::PoisonValue::get(shaped(sums[0]->getAllocatedType(), static_cast<int>(sums.size())));
    for (size_t l = 0; l < sums.size(); ++l)
      vector = b_.CreateInsertElement(vector, at(sums[l]), l);
    return vector;
  }

  // All loads of a point come before its stores, so that an output may lie where an input lay.
  void store_results(ValueEmitter& values) {
    const Stage& stage = tile_.result.nest.stages[0];
    std::vector<std::pair<const Store*, llvm::Value*>> stored;
    for (const std::vector<Store>* stores : {&stage.inner, &stage.outer})
      for (const Store& store : *stores) stored.emplace_back(&store, values.value(store.node));
    for (const auto& [store, value] : stored) values.store(*store, value);
  }

  llvm::IRBuilderBase& b_;
  const GpuTile& tile_;
  llvm::Function& kernel_;
  GpuThreads threads_;
  llvm::Value *m0_ = nullptr, *n0_ = nullptr, *batch_ = nullptr;
  llvm::Value* memory_ = nullptr;
  llvm::AllocaInst *write_ = nullptr, *read_ = nullptr;  // offsets of stages
  std::optional<TileOperand> left_, right_;
  std::unique_ptr<TileProducts> products_;
};

}  // namespace

void emit_gpu_tile(llvm::Module& module, const GpuTile& tile, const std::string& symbol,
                   GpuMachine machine) {
  const auto arguments = static_cast<int>(tile.group.arguments().size());
  llvm::Function* function =
      declare_gpu_kernel(module, symbol, arguments, tile.shape.threads(), machine);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(module.getContext(), "entry", function));
  TileEmitter(builder, tile, *function, symbol, machine).emit();
}

}  // namespace tessera
