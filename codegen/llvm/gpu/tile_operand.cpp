#include "codegen/llvm/gpu/tile_operand.h"

#include <llvm/IR/Intrinsics.h>

#include <algorithm>

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
                         const TileFormula& formula, const TileLoad& load, const Place& place,
                         const Stored& stored, llvm::Function& kernel, llvm::Value* thread)
    : b_(builder),
      tile_(tile),
      formula_(formula),
      load_(load),
      place_(place),
      stored_(stored),
      thread_(thread),
      element_(tile.narrow ? builder.getIntNTy(static_cast<unsigned>(8 * size_of(stored.type)))
                           : register_type(builder.getContext(), stored.type)),
      values_(builder, formula.nest, buffers_of(formula, kernel),
              kernel.getArg(kernel.arg_size() - 1), static_cast<int>(kGpuVectorBytes),
              kGpuVectorBytes) {
  for (int i = 0; i < vectors() && !is_copied(); ++i)
    fetched_.push_back(emit_variable(b_, shaped(element_, load_.lanes > 1 ? load_.lanes : 0)));
}

int TileOperand::vectors() const {
  const int all = place_.side * tile_.shape.depth / load_.lanes;
  return (all + tile_.shape.threads() - 1) / tile_.shape.threads();
}

bool TileOperand::shared_evenly() const {
  return place_.side * tile_.shape.depth % (load_.lanes * tile_.shape.threads()) == 0;
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

// Binds the loops to the vector's first element, the last one that there is if it lies beyond, and
// says whether its step of k exists (i1; nullptr: it does).
llvm::Value* TileOperand::bind(const Spot& spot, llvm::Value* k0) {
  const auto number = [&](int64_t value) { return b_.getInt32(static_cast<uint32_t>(value)); };
  const int64_t own = volume(*place_.own), depth = volume(tile_.k);
  const auto clamped = [&](llvm::Value* index, int64_t extent, bool lanes) {
    return b_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, index,
                                    number(extent - (lanes ? load_.lanes : 1)));
  };
  const Dims& lane_role = load_.along_k ? tile_.k : *place_.own;
  int lane = -1;
  for (size_t l = 0; l < formula_.nest.loops.size() && load_.lanes > 1; ++l)
    if (formula_.nest.loops[l].dims.back() == lane_role.back()) lane = static_cast<int>(l);
  llvm::Value* k = b_.CreateAdd(k0, spot.k);
  llvm::Value* row = b_.CreateAdd(place_.origin, spot.own);
  llvm::Value* inside = nullptr;
  if (depth % tile_.shape.depth != 0 || !shared_evenly())
    inside = b_.CreateICmpULT(k, number(depth));
  if (inside != nullptr) k = clamped(k, depth, load_.along_k);
  if (own % place_.side != 0 || !shared_evenly()) row = clamped(row, own, !load_.along_k);
  values_.set_lanes(lane, load_.lanes);
  bind_roles(b_, values_, formula_.nest,
             {{&tile_.batch, place_.batch}, {place_.own, row}, {&tile_.k, k}});
  return inside;
}

void TileOperand::fetch(llvm::Value* k0, llvm::Value* memory, GpuThreads& threads) {
  for (int i = 0; i < vectors(); ++i) {
    if (is_copied()) {
      const auto begin = [&] { copy(spot(i), k0, memory, threads); };
      if (shared_evenly())
        begin();
      else
        emit_if(b_, exists(i), begin);
      continue;
    }
    const ValueEmitter::Scope scope(values_);
    llvm::Value* inside = bind(spot(i), k0);
    llvm::Value* value = splat(b_, values_.value(formula_.node), load_.lanes > 1 ? load_.lanes : 0);
    if (tile_.narrow) value = narrowed(value);
    if (inside != nullptr)
      value = b_.CreateSelect(inside, value, llvm::Constant::getNullValue(value->getType()));
    b_.CreateStore(value, fetched_[static_cast<size_t>(i)]);
  }
}

void TileOperand::copy(const Spot& spot, llvm::Value* k0, llvm::Value* memory,
                       GpuThreads& threads) {
  const ValueEmitter::Scope scope(values_);
  llvm::Value* exists = bind(spot, k0);
  const ValueEmitter::Source source = values_.source_of(load_.copied);
  if (source.inside != nullptr)
    exists = exists == nullptr ? source.inside : b_.CreateAnd(exists, source.inside);
  // Where nothing is read, the address is one that there is all the same.
  llvm::Value* from = source.pointer;
  if (source.inside != nullptr)
    from = b_.CreateSelect(source.inside, from, values_.start_of(load_.copied));
  threads.copy(place_in(memory, spot), from, exists);
}

// What is exactly a value of the narrow type, as it lies in memory.
llvm::Value* TileOperand::narrowed(llvm::Value* value) {
  llvm::Type* bits = shaped(element_, lanes_of(value));
  if (stored_.type == DType::f16)
    return b_.CreateBitCast(b_.CreateFPTrunc(value, shaped(b_.getHalfTy(), lanes_of(value))), bits);
  if (stored_.type == DType::bf16)
    value = b_.CreateLShr(b_.CreateBitCast(value, shaped(b_.getInt32Ty(), lanes_of(value))), 16);
  return b_.CreateTrunc(value, bits);
}

llvm::Value* TileOperand::place_in(llvm::Value* memory, llvm::Value* line, llvm::Value* at) {
  const auto number = [&](int value) { return b_.getInt32(static_cast<uint32_t>(value)); };
  const SharedTile& tile = stored_.tile;
  llvm::Value* bytes = b_.CreateMul(line, number(tile.line_bytes()));
  if (tile.turned) {
    llvm::Value* turn = b_.CreateURem(line, number(8));
    if (tile.chunks() < 8) turn = b_.CreateUDiv(turn, number(8 / tile.chunks()));
    llvm::Value* elements = number(tile.chunk_elements());
    llvm::Value* chunk = b_.CreateXor(b_.CreateUDiv(at, elements), turn);
    bytes = b_.CreateAdd(bytes, b_.CreateMul(chunk, number(SharedTile::kChunkBytes)));
    at = b_.CreateURem(at, elements);
  }
  bytes = b_.CreateAdd(bytes, b_.CreateMul(at, number(tile.element_bytes)));
  return b_.CreateGEP(b_.getInt8Ty(), memory, b_.CreateZExt(bytes, b_.getInt64Ty()));
}

llvm::Value* TileOperand::place_in(llvm::Value* memory, const Spot& spot) {
  return stored_.tile.along_k ? place_in(memory, spot.own, spot.k)
                              : place_in(memory, spot.k, spot.own);
}

void TileOperand::store(llvm::Value* value, llvm::Value* memory, const Spot& spot) {
  const bool along_k = stored_.tile.along_k;
  llvm::Value* line = along_k ? spot.own : spot.k;
  llvm::Value* at = along_k ? spot.k : spot.own;
  const int lanes = load_.lanes;
  if (lanes == 1 || load_.along_k == along_k) {
    const int bytes = lanes * stored_.tile.element_bytes;
    b_.CreateAlignedStore(value, place_in(memory, spot),
                          llvm::Align(static_cast<uint64_t>(std::min(bytes, 16))));
    return;
  }
  for (int l = 0; l < lanes; ++l)
    b_.CreateStore(b_.CreateExtractElement(value, static_cast<uint64_t>(l)),
                   place_in(memory, b_.CreateAdd(line, b_.getInt32(static_cast<uint32_t>(l))), at));
}

void TileOperand::put(llvm::Value* memory) {
  if (is_copied()) return;
  for (int i = 0; i < vectors(); ++i) {
    llvm::AllocaInst* variable = fetched_[static_cast<size_t>(i)];
    const auto put_one = [&] {
      store(b_.CreateLoad(variable->getAllocatedType(), variable), memory, spot(i));
    };
    if (shared_evenly())
      put_one();
    else
      emit_if(b_, exists(i), put_one);
  }
}

}  // namespace tessera
