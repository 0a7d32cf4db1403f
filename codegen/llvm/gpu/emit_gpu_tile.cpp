#include "codegen/llvm/gpu/emit_gpu_tile.h"

#include <llvm/IR/Intrinsics.h>

#include <algorithm>

#include "codegen/gpu/gpu_schedule.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/gpu/gpu_threads.h"
#include "codegen/llvm/gpu/tile_operand.h"
#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

// The rows or columns of a tile that a thread has: `groups` times `width` neighbours, so that
// neighbouring threads take neighbouring vectors.
//
//   8 of 128, of thread 3:  12 13 14 15  76 77 78 79
struct ThreadShare {
  int side, groups, width;

  ThreadShare(int whole, int mine)
      : side(whole), groups((mine + 3) / 4), width(std::min(mine, 4)) {}
  int place_of(int group) const { return group * (side / groups); }
};

class TileEmitter {
 public:
  TileEmitter(llvm::IRBuilderBase& builder, const GpuTile& tile, llvm::Function& kernel,
              const std::string& symbol, GpuMachine machine)
      : b_(builder),
        tile_(tile),
        kernel_(kernel),
        threads_(builder, machine),
        rows_(tile.shape.rows, tile.shape.thread_rows),
        columns_(tile.shape.columns, tile.shape.thread_columns) {
    const Contraction& c = tile.group.contraction;
    thread_ = threads_.thread();
    llvm::Value* block = threads_.block();
    const auto columns = number(tile.column_tiles());
    const auto rows = number(tile.row_tiles());
    n0_ = b_.CreateMul(b_.CreateURem(block, columns), number(tile.shape.columns));
    block = b_.CreateUDiv(block, columns);
    m0_ = b_.CreateMul(b_.CreateURem(block, rows), number(tile.shape.rows));
    batch_ = b_.CreateUDiv(block, rows);
    llvm::Value* across = number(tile.shape.columns / tile.shape.thread_columns);
    first_column_ = b_.CreateMul(b_.CreateURem(thread_, across), number(columns_.width));
    first_row_ = b_.CreateMul(b_.CreateUDiv(thread_, across), number(rows_.width));
    memory_ = threads_.shared(tile.shared_bytes(), symbol + "_shared");
    left_.emplace(b_, tile, tile.a, c.a.type(), tile.load_a,
                  TileOperand::Place{&tile.m, tile.shape.rows, m0_, batch_}, kernel, thread_);
    right_.emplace(b_, tile, tile.b, c.b.type(), tile.load_b,
                   TileOperand::Place{&tile.n, tile.shape.columns, n0_, batch_}, kernel, thread_);
    sum_type_ = register_type(b_.getContext(), c.type);
    if (c.pair)
      pair_.emplace(b_, tile.pair.nest, buffers_of(tile.pair, kernel), fault(),
                    static_cast<int>(kGpuVectorBytes), kGpuVectorBytes);
  }

  void emit() {
    const Contraction& c = tile_.group.contraction;
    for (int i = 0; i < tile_.shape.thread_rows * tile_.shape.thread_columns; ++i) {
      sums_.push_back(emit_variable(b_, sum_type_));
      b_.CreateStore(constant_of(b_.getContext(), identity(*c.nest.op, c.type)), sums_.back());
    }
    const int64_t steps = (volume(tile_.k) + tile_.shape.depth - 1) / tile_.shape.depth;
    fetch(b_.getInt64(0));
    put(b_.getInt64(0));
    threads_.barrier();
    emit_for(
        b_, b_.getInt64(0), b_.getInt64(static_cast<uint64_t>(steps)), 1, [&](llvm::Value* step) {
          llvm::Value* next = b_.CreateAdd(step, b_.getInt64(1));
          llvm::Value* more = b_.CreateICmpSLT(next, b_.getInt64(static_cast<uint64_t>(steps)));
          if (steps > 1) emit_if(b_, more, [&] { fetch(next); });
          multiply(step);
          if (steps > 1) emit_if(b_, more, [&] { put(next); });
          threads_.barrier();
        });
    emit_results();
    b_.CreateRetVoid();
  }

 private:
  llvm::Value* number(int64_t value) { return b_.getInt32(static_cast<uint32_t>(value)); }
  llvm::Value* fault() { return kernel_.getArg(kernel_.arg_size() - 1); }

  llvm::Value* first_k(llvm::Value* step) {
    return b_.CreateMul(b_.CreateTrunc(step, b_.getInt32Ty()), number(tile_.shape.depth));
  }

  void fetch(llvm::Value* step) {
    llvm::Value* k0 = first_k(step);
    left_->fetch(k0);
    right_->fetch(k0);
  }

  // Where the tiles of a step lie: one of two places, in turns.
  llvm::Value* tile_of(llvm::Value* step, int64_t offset) {
    const auto bytes = static_cast<int64_t>(tile_.shared_bytes() / 2);
    llvm::Value* turn = b_.CreateAnd(step, b_.getInt64(1));
    llvm::Value* at = b_.CreateAdd(b_.CreateMul(turn, b_.getInt64(static_cast<uint64_t>(bytes))),
                                   b_.getInt64(static_cast<uint64_t>(offset)));
    return b_.CreateGEP(b_.getInt8Ty(), memory_, at);
  }

  void put(llvm::Value* step) {
    left_->put(tile_of(step, 0));
    right_->put(tile_of(step, left_->bytes()));
  }

  std::vector<llvm::Value*> take(TileOperand& operand, llvm::Value* memory, int k,
                                 llvm::Value* first, const ThreadShare& share) {
    std::vector<llvm::Value*> values;
    for (int g = 0; g < share.groups; ++g)
      for (llvm::Value* value :
           operand.take(memory, k, b_.CreateAdd(first, number(share.place_of(g))), share.width))
        values.push_back(value);
    return values;
  }

  void multiply(llvm::Value* step) {
    llvm::Value* a = tile_of(step, 0);
    llvm::Value* b = tile_of(step, left_->bytes());
    for (int k = 0; k < tile_.shape.depth; ++k) {
      const std::vector<llvm::Value*> rows = take(*left_, a, k, first_row_, rows_);
      const std::vector<llvm::Value*> columns = take(*right_, b, k, first_column_, columns_);
      llvm::Value* exists = nullptr;
      if (tile_.group.contraction.pair && volume(tile_.k) % tile_.shape.depth != 0)
        exists = b_.CreateICmpULT(b_.CreateAdd(first_k(step), number(k)), number(volume(tile_.k)));
      for (size_t i = 0; i < rows.size(); ++i)
        for (size_t j = 0; j < columns.size(); ++j)
          combine(sums_[i * columns.size() + j], rows[i], columns[j], exists);
    }
  }

  void combine(llvm::AllocaInst* variable, llvm::Value* x, llvm::Value* y, llvm::Value* exists) {
    const Contraction& c = tile_.group.contraction;
    llvm::Value* before = b_.CreateLoad(sum_type_, variable);
    llvm::Value* after = nullptr;
    if (pair_) {
      const ValueEmitter::Scope scope(*pair_);
      if (tile_.left >= 0) pair_->know(tile_.left, x);
      if (tile_.right >= 0) pair_->know(tile_.right, y);
      after = emit_combine(b_, *c.nest.op, c.type, before, pair_->value(tile_.pair.node));
      if (exists != nullptr) after = b_.CreateSelect(exists, after, before);
    } else if (sum_type_->isFloatingPointTy()) {
      after = b_.CreateIntrinsic(llvm::Intrinsic::fma, {sum_type_}, {x, y, before});
    } else {
      after = b_.CreateAdd(before, b_.CreateMul(x, y));
    }
    // What a guard leaves out is -0, and adds nothing whatever it is multiplied with.
    if (c.guarded_a || c.guarded_b) {
      llvm::Value* guarded = c.guarded_a ? x : y;
      llvm::Type* bits = b_.getIntNTy(sum_type_->getScalarSizeInBits());
      llvm::Value* left_out =
          b_.CreateICmpEQ(b_.CreateBitCast(guarded, bits),
                          b_.CreateBitCast(llvm::ConstantFP::getNegativeZero(sum_type_), bits));
      after = b_.CreateSelect(left_out, before, after);
    }
    b_.CreateStore(after, variable);
  }

  void emit_results() {
    ValueEmitter values(b_, tile_.result.nest, buffers_of(tile_.result, kernel_), fault(),
                        static_cast<int>(kGpuVectorBytes), kGpuVectorBytes);
    const LoopNest& nest = tile_.result.nest;
    int lane = -1;
    for (size_t l = 0; l < nest.loops.size() && tile_.result_lanes > 1; ++l)
      if (nest.loops[l].dims.back() == tile_.n.back()) lane = static_cast<int>(l);
    const int lanes = tile_.result_lanes;
    for (int i = 0; i < tile_.shape.thread_rows; ++i)
      for (int j = 0; j < tile_.shape.thread_columns; j += lanes) {
        const int at_row = rows_.place_of(i / rows_.width) + i % rows_.width;
        const int at_column = columns_.place_of(j / columns_.width) + j % columns_.width;
        llvm::Value* m = b_.CreateAdd(b_.CreateAdd(m0_, first_row_), number(at_row));
        llvm::Value* n = b_.CreateAdd(b_.CreateAdd(n0_, first_column_), number(at_column));
        emit_if(b_, is_inside(m, n), [&] {
          const ValueEmitter::Scope scope(values);
          values.set_lanes(lane, lanes);
          bind_roles(b_, values, nest, {{&tile_.batch, batch_}, {&tile_.m, m}, {&tile_.n, n}});
          if (tile_.result.node >= 0) values.know(tile_.result.node, sums_at(i, j, lanes));
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

  llvm::Value* sums_at(int row, int column, int lanes) {
    const auto at = [&](int lane) {
      return b_.CreateLoad(
          sum_type_, sums_[static_cast<size_t>(row * tile_.shape.thread_columns + column + lane)]);
    };
    if (lanes == 1) return at(0);
    llvm::Value* vector = llvm::PoisonValue::get(shaped(sum_type_, lanes));
    for (int l = 0; l < lanes; ++l)
      vector = b_.CreateInsertElement(vector, at(l), static_cast<uint64_t>(l));
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
  const ThreadShare rows_, columns_;
  llvm::Value* thread_ = nullptr;
  llvm::Value *m0_ = nullptr, *n0_ = nullptr, *batch_ = nullptr;
  llvm::Value *first_row_ = nullptr, *first_column_ = nullptr;
  llvm::Value* memory_ = nullptr;
  llvm::Type* sum_type_ = nullptr;
  std::optional<TileOperand> left_, right_;
  std::optional<ValueEmitter> pair_;
  std::vector<llvm::AllocaInst*> sums_;  // rows of columns
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
