#include "codegen/llvm/masked_access.h"

#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/InstrTypes.h>

#include <algorithm>
#include <vector>

#include "codegen/llvm/scalars.h"

namespace tessera {
namespace {

int bytes_of_element(const llvm::Type* vector) {
  return static_cast<int>(vector->getScalarSizeInBits() / 8);
}

bool is_constant(const llvm::Value* mask, bool bit) {
  const auto* constant = llvm::dyn_cast<llvm::Constant>(mask);
  return constant != nullptr && (bit ? constant->isAllOnesValue() : constant->isNullValue());
}

// Of `count` lanes from `first` on, those that no constant side of the conjunction excludes.
std::vector<int> lanes_that_may_be_true(llvm::Value* mask, int first, int count) {
  std::vector<int> able;
  for (int lane = first; lane < first + count; ++lane) able.push_back(lane);
  const auto exclude = [&](const auto& self, llvm::Value* side) -> void {
    if (const auto* constant = llvm::dyn_cast<llvm::Constant>(side)) {
      std::erase_if(able, [&](int lane) {
        const llvm::Constant* bit = constant->getAggregateElement(static_cast<unsigned>(lane));
        return bit != nullptr && bit->isNullValue();
      });
      return;
    }
    const auto* both = llvm::dyn_cast<llvm::BinaryOperator>(side);
    if (both == nullptr || both->getOpcode() != llvm::Instruction::And) return;
    for (llvm::Value* operand : both->operands()) self(self, operand);
  };
  exclude(exclude, mask);
  return able;
}

}  // namespace

llvm::Value* MaskedAccess::part(llvm::Value* vector, const Piece& piece) {
  if (piece.lanes == lanes_of(vector)) return vector;
  return b_.CreateShuffleVector(vector,
                                llvm::createSequentialMask(static_cast<unsigned>(piece.first),
                                                           static_cast<unsigned>(piece.lanes), 0));
}

// Conjunctions are taken apart, so that a constant side decides a piece by itself.
llvm::Value* MaskedAccess::mask_part(llvm::Value* mask, const Piece& piece) {
  const auto* both = llvm::dyn_cast<llvm::BinaryOperator>(mask);
  if (both == nullptr || both->getOpcode() != llvm::Instruction::And) return part(mask, piece);
  llvm::Value* a = mask_part(both->getOperand(0), piece);
  llvm::Value* b = mask_part(both->getOperand(1), piece);
  if (is_constant(a, false) || is_constant(b, true)) return a;
  if (is_constant(b, false) || is_constant(a, true)) return b;
  return b_.CreateAnd(a, b);
}

std::vector<MaskedAccess::Piece> MaskedAccess::pieces(llvm::Value* mask, int lanes,
                                                      int widest_bytes, bool narrow) {
  const int most = std::clamp(register_bytes_ / widest_bytes, 1, lanes);
  std::vector<Piece> found;
  for (int first = 0; first < lanes; first += most) {
    Piece piece{first, std::min(most, lanes - first), nullptr, false};
    if (mask != nullptr) {
      const std::vector<int> able = lanes_that_may_be_true(mask, piece.first, piece.lanes);
      if (narrow && able.size() == 1) piece = {able[0], 1, nullptr, false};
      piece.mask = mask_part(mask, piece);
      piece.none = able.empty();
      if (is_constant(piece.mask, true)) piece.mask = nullptr;
    }
    found.push_back(piece);
  }
  return found;
}

llvm::Value* MaskedAccess::pointers(llvm::Type* element, llvm::Value* base, llvm::Value* offsets,
                                    const Piece& piece) {
  return b_.CreateGEP(element, base, part(offsets, piece));
}

llvm::Value* MaskedAccess::load(llvm::Type* vector, llvm::Value* at, llvm::Align align,
                                llvm::Value* mask, llvm::Value* otherwise) {
  if (mask == nullptr) return b_.CreateAlignedLoad(vector, at, align);
  llvm::Type* element = vector->getScalarType();
  std::vector<llvm::Value*> loaded;
  for (const Piece& piece : pieces(mask, lanes_of(vector), bytes_of_element(vector), false)) {
    llvm::Value* rest = part(otherwise, piece);
    llvm::Value* from = b_.CreateConstGEP1_64(element, at, static_cast<uint64_t>(piece.first));
    llvm::Type* type = shaped(element, piece.lanes);
    if (piece.none)
      loaded.push_back(rest);
    else if (piece.mask == nullptr)
      loaded.push_back(b_.CreateAlignedLoad(type, from, align));
    else
      loaded.push_back(b_.CreateMaskedLoad(type, from, align, piece.mask, rest));
  }
  return llvm::concatenateVectors(b_, loaded);
}

void MaskedAccess::store(llvm::Value* value, llvm::Value* at, llvm::Align align,
                         llvm::Value* mask) {
  if (mask == nullptr) {
    b_.CreateAlignedStore(value, at, align);
    return;
  }
  llvm::Type* element = value->getType()->getScalarType();
  for (const Piece& piece :
       pieces(mask, lanes_of(value), bytes_of_element(value->getType()), true)) {
    if (piece.none) continue;
    llvm::Value* to = b_.CreateConstGEP1_64(element, at, static_cast<uint64_t>(piece.first));
    if (piece.mask == nullptr)
      b_.CreateAlignedStore(part(value, piece), to, align);
    else
      b_.CreateMaskedStore(part(value, piece), to, align, piece.mask);
  }
}

llvm::Value* MaskedAccess::gather(llvm::Type* vector, llvm::Value* base, llvm::Value* offsets,
                                  llvm::Align align, llvm::Value* mask, llvm::Value* otherwise) {
  llvm::Type* element = vector->getScalarType();
  const int widest = std::max(bytes_of_element(vector), bytes_of_element(offsets->getType()));
  std::vector<llvm::Value*> loaded;
  for (const Piece& piece : pieces(mask, lanes_of(vector), widest, false)) {
    llvm::Value* rest = otherwise == nullptr ? nullptr : part(otherwise, piece);
    loaded.push_back(piece.none ? rest
                                : b_.CreateMaskedGather(shaped(element, piece.lanes),
                                                        pointers(element, base, offsets, piece),
                                                        align, piece.mask,
                                                        piece.mask == nullptr ? nullptr : rest));
  }
  return llvm::concatenateVectors(b_, loaded);
}

void MaskedAccess::scatter(llvm::Value* value, llvm::Value* base, llvm::Value* offsets,
                           llvm::Align align, llvm::Value* mask) {
  llvm::Type* element = value->getType()->getScalarType();
  const int widest =
      std::max(bytes_of_element(value->getType()), bytes_of_element(offsets->getType()));
  for (const Piece& piece : pieces(mask, lanes_of(value), widest, true))
    if (!piece.none)
      b_.CreateMaskedScatter(part(value, piece), pointers(element, base, offsets, piece), align,
                             piece.mask);
}

}  // namespace tessera
