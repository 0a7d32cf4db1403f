#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <optional>

#include "codegen/gpu/gpu_schedule.h"
#include "codegen/llvm/emit_values.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/gpu/tile_operand.h"
#include "codegen/llvm/gpu/tile_products.h"
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
  int place_of(int i) const { return i / width * (side / groups) + i % width; }
};

class ThreadProducts : public TileProducts {
 public:
  explicit ThreadProducts(const ProductContext& context)
      : b_(context.builder),
        tile_(context.tile),
        a_(tile_.shared_a()),
        b_tile_(tile_.shared_b()),
        rows_(tile_.shape.rows, tile_.shape.part_rows),
        columns_(tile_.shape.columns, tile_.shape.part_columns),
        sums_(make_sums(context, tile_.shape.part_rows * tile_.shape.part_columns)) {
    const Contraction& c = tile_.group.contraction;
    llvm::Value* across = number(tile_.shape.columns / tile_.shape.part_columns);
    first_column_ = b_.CreateMul(b_.CreateURem(context.thread, across), number(columns_.width));
    first_row_ = b_.CreateMul(b_.CreateUDiv(context.thread, across), number(rows_.width));
    sum_type_ = register_type(b_.getContext(), c.type);
    if (c.pair)
      pair_.emplace(b_, tile_.pair.nest, buffers_of(tile_.pair, context.kernel),
                    context.kernel.getArg(context.kernel.arg_size() - 1),
                    static_cast<int>(kGpuVectorBytes), kGpuVectorBytes);
  }

  void multiply(llvm::Value* a, llvm::Value* b, llvm::Value* first_k) override {
    const Contraction& c = tile_.group.contraction;
    for (int k = 0; k < tile_.shape.depth; ++k) {
      const std::vector<llvm::Value*> rows = take(a, a_, c.a.type(), k, first_row_, rows_);
      const std::vector<llvm::Value*> columns =
          take(b, b_tile_, c.b.type(), k, first_column_, columns_);
      llvm::Value* exists = nullptr;
      if (c.pair && volume(tile_.k) % tile_.shape.depth != 0)
        exists = b_.CreateICmpULT(b_.CreateAdd(first_k, number(k)), number(volume(tile_.k)));
      for (size_t i = 0; i < rows.size(); ++i)
        for (size_t j = 0; j < columns.size(); ++j)
          combine(sums_[i * columns.size() + j], rows[i], columns[j], exists);
    }
  }

  std::vector<Result> results(int lanes) override {
    std::vector<Result> all;
    for (int i = 0; i < tile_.shape.part_rows; ++i)
      for (int j = 0; j < tile_.shape.part_columns; j += lanes) {
        Result result{b_.CreateAdd(first_row_, number(rows_.place_of(i))),
                      b_.CreateAdd(first_column_, number(columns_.place_of(j))),
                      {}};
        for (int l = 0; l < lanes; ++l)
          result.sums.push_back(sums_[static_cast<size_t>(i * tile_.shape.part_columns + j + l)]);
        all.push_back(std::move(result));
      }
    return all;
  }

 private:
  llvm::Value* number(int64_t value) { return b_.getInt32(static_cast<uint32_t>(value)); }

  // The thread's elements of one step of k.
  std::vector<llvm::Value*> take(llvm::Value* memory, const SharedTile& shared, DType type, int k,
                                 llvm::Value* first, const ThreadShare& share) {
    llvm::Type* element = register_type(b_.getContext(), type);
    std::vector<llvm::Value*> values;
    for (int g = 0; g < share.groups; ++g) {
      llvm::Value* at = b_.CreateAdd(first, number(share.place_of(g * share.width)));
      llvm::Value* place = b_.CreateGEP(element, memory, b_.CreateZExt(at, b_.getInt64Ty()));
      place =
          b_.CreateConstGEP1_64(b_.getInt8Ty(), place, static_cast<uint64_t>(shared.place(k, 0)));
      if (share.width == 1) {
        values.push_back(b_.CreateLoad(element, place));
        continue;
      }
      const auto bytes = static_cast<uint64_t>(share.width * shared.element_bytes);
      llvm::Value* loaded = b_.CreateAlignedLoad(shaped(element, share.width), place,
                                                 llvm::Align(std::min<uint64_t>(bytes, 16)));
      for (int i = 0; i < share.width; ++i)
        values.push_back(b_.CreateExtractElement(loaded, static_cast<uint64_t>(i)));
    }
    return values;
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

  llvm::IRBuilderBase& b_;
  const GpuTile& tile_;
  const SharedTile a_, b_tile_;
  const ThreadShare rows_, columns_;
  llvm::Value *first_row_ = nullptr, *first_column_ = nullptr;
  llvm::Type* sum_type_ = nullptr;
  std::optional<ValueEmitter> pair_;
  const std::vector<llvm::AllocaInst*> sums_;  // rows of columns
};

}  // namespace

std::vector<llvm::AllocaInst*> make_sums(const ProductContext& context, int count) {
  const Contraction& c = context.tile.group.contraction;
  llvm::IRBuilderBase& b = context.builder;
  std::vector<llvm::AllocaInst*> sums;
  for (int i = 0; i < count; ++i) {
    sums.push_back(emit_variable(b, register_type(b.getContext(), c.type)));
    b.CreateStore(constant_of(b.getContext(), identity(*c.nest.op, c.type)), sums.back());
  }
  return sums;
}

std::unique_ptr<TileProducts> thread_products(const ProductContext& context) {
  return std::make_unique<ThreadProducts>(context);
}

}  // namespace tessera
