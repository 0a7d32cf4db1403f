#include "codegen/llvm/gpu/tile_operand.h"

#include <llvm/IR/Intrinsics.h>

#include "codegen/gpu/gpu_schedule.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/scalars.h"

namespace tessera {

std::vector<llvm::Value*> buffers_of(const TileFormula& formula, llvm::Function& kernel) {
  std::vector<llvm::Value*> buffers;
  for (const NestBuffer& buffer : formula.nest.buffers) {
    const int argument = buffer.argument < 0 ? -1 : buffer.argument;
    const int of_group = argument < 0 || formula.arguments.empty()
                             ? -1
                             : formula.arguments[static_cast<size_t>(argument)];
    buffers.push_back(of_group < 0 ? nullptr : kernel.getArg(static_cast<unsigned>(of_group)));
  }
  return buffers;
}

TileOperand::TileOperand(llvm::IRBuilderBase& builder, const GpuTile& tile,
                         const TileFormula& formula, DType type, const TileLoad& load,
                         const Place& place, llvm::Function& kernel, llvm::Value* thread)
    : b_(builder),
      tile_(tile),
      formula_(formula),
      load_(load),
      place_(place),
      thread_(thread),
      element_(register_type(builder.getContext(), type)),
      values_(builder, formula.nest, buffers_of(formula, kernel),
              kernel.getArg(kernel.arg_size() - 1), static_cast<int>(kGpuVectorBytes),
              kGpuVectorBytes) {
  for (int i = 0; i < vectors(); ++i)
    fetched_.push_back(emit_variable(b_, shaped(element_, load_.lanes > 1 ? load_.lanes : 0)));
}

int TileOperand::vectors() const {
  const int all = place_.side * tile_.shape.depth / load_.lanes;
  return (all + tile_.shape.threads() - 1) / tile_.shape.threads();
}

bool TileOperand::shared_evenly() const {
  return place_.side * tile_.shape.depth % (load_.lanes * tile_.shape.threads()) == 0;
}

int64_t TileOperand::bytes() const {
  return static_cast<int64_t>(row_elements()) * tile_.shape.depth *
         (element_->getScalarSizeInBits() / 8);
}

TileOperand::Spot TileOperand::spot(int i) {
  const auto number = [&](int value) { return b_.getInt32(static_cast<uint32_t>(value)); };
  const int along = (load_.along_k ? tile_.shape.depth : place_.side) / load_.lanes;
  llvm::Value* q = b_.CreateAdd(thread_, number(i * tile_.shape.threads()));
  llvm::Value* inner = b_.CreateMul(b_.CreateURem(q, number(along)), number(load_.lanes));
  llvm::Value* outer = b_.CreateUDiv(q, number(along));
  return load_.along_k ? Spot{outer, inner} : Spot{inner, outer};
}

llvm::Value* TileOperand::exists(int i) {
  const int all = place_.side * tile_.shape.depth / load_.lanes;
  llvm::Value* q =
      b_.CreateAdd(thread_, b_.getInt32(static_cast<uint32_t>(i * tile_.shape.threads())));
  return b_.CreateICmpULT(q, b_.getInt32(static_cast<uint32_t>(all)));
}

void TileOperand::fetch(llvm::Value* k0) {
  const int64_t own = volume(*place_.own), depth = volume(tile_.k);
  const auto clamped = [&](llvm::Value* index, int64_t extent, bool lanes) {
    const int64_t last = extent - (lanes ? load_.lanes : 1);
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, index,
                                    b_.getInt32(static_cast<uint32_t>(last)));
  };
  const Dims& lane_role = load_.along_k ? tile_.k : *place_.own;
  int lane = -1;
  for (size_t l = 0; l < formula_.nest.loops.size() && load_.lanes > 1; ++l)
    if (formula_.nest.loops[l].dims.back() == lane_role.back()) lane = static_cast<int>(l);
  for (int i = 0; i < vectors(); ++i) {
    const Spot at = spot(i);
    llvm::Value* k = b_.CreateAdd(k0, at.k);
    llvm::Value* row = b_.CreateAdd(place_.origin, at.own);
    llvm::Value* inside = nullptr;
    if (depth % tile_.shape.depth != 0 || !shared_evenly())
      inside = b_.CreateICmpULT(k, b_.getInt32(static_cast<uint32_t>(depth)));
    if (inside != nullptr) k = clamped(k, depth, load_.along_k);
    if (own % place_.side != 0 || !shared_evenly()) row = clamped(row, own, !load_.along_k);
    const ValueEmitter::Scope scope(values_);
    values_.set_lanes(lane, load_.lanes);
    bind_roles(b_, values_, formula_.nest,
               {{&tile_.batch, place_.batch}, {place_.own, row}, {&tile_.k, k}});
    llvm::Value* value = splat(b_, values_.value(formula_.node), load_.lanes > 1 ? load_.lanes : 0);
    if (inside != nullptr)
      value = b_.CreateSelect(inside, value, llvm::Constant::getNullValue(value->getType()));
    b_.CreateStore(value, fetched_[static_cast<size_t>(i)]);
  }
}

void TileOperand::put(llvm::Value* memory) {
  for (int i = 0; i < vectors(); ++i) {
    const auto store = [&] {
      const Spot at = spot(i);
      llvm::AllocaInst* variable = fetched_[static_cast<size_t>(i)];
      llvm::Value* value = b_.CreateLoad(variable->getAllocatedType(), variable);
      llvm::Value* first = b_.CreateAdd(
          b_.CreateMul(at.k, b_.getInt32(static_cast<uint32_t>(row_elements()))), at.own);
      llvm::Value* place = b_.CreateGEP(element_, memory, b_.CreateZExt(first, b_.getInt64Ty()));
      const uint64_t size = element_->getScalarSizeInBits() / 8;
      if (!load_.along_k || load_.lanes == 1) {
        const uint64_t bytes = std::min<uint64_t>(size * static_cast<uint64_t>(load_.lanes), 16);
        b_.CreateAlignedStore(value, place, llvm::Align(bytes));
        return;
      }
      for (int l = 0; l < load_.lanes; ++l)
        b_.CreateStore(
            b_.CreateExtractElement(value, static_cast<uint64_t>(l)),
            b_.CreateConstGEP1_64(element_, place, static_cast<uint64_t>(l * row_elements())));
    };
    if (shared_evenly())
      store();
    else
      emit_if(b_, exists(i), store);
  }
}

std::vector<llvm::Value*> TileOperand::take(llvm::Value* memory, int k, llvm::Value* at,
                                            int count) {
  llvm::Value* first = b_.CreateGEP(element_, memory, b_.CreateZExt(at, b_.getInt64Ty()));
  first = b_.CreateConstGEP1_64(element_, first, static_cast<uint64_t>(k * row_elements()));
  if (count == 1) return {b_.CreateLoad(element_, first)};
  const uint64_t size = element_->getScalarSizeInBits() / 8;
  llvm::Value* loaded = b_.CreateAlignedLoad(
      shaped(element_, count), first,
      llvm::Align(std::min<uint64_t>(size * static_cast<uint64_t>(count), 16)));
  std::vector<llvm::Value*> values;
  for (int i = 0; i < count; ++i)
    values.push_back(b_.CreateExtractElement(loaded, static_cast<uint64_t>(i)));
  return values;
}

}  // namespace tessera
