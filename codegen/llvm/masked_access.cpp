#include "codegen/llvm/masked_access.h"

#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/InstrTypes.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <vector>

#include "codegen/lane_places.h"
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

std::vector<int> lanes_of_piece(int first, int count) {
  std::vector<int> lanes;
  for (int lane = first; lane < first + count; ++lane) lanes.push_back(lane);
  return lanes;
}

// Of `count` lanes from `first` on, those that no constant side of the conjunction excludes.
std::vector<int> lanes_that_may_be_true(llvm::Value* mask, int first, int count) {
  std::vector<int> able = lanes_of_piece(first, count);
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

// The lanes of a constant mask, where they follow one another and few stores of a power of two of
// lanes each make them up.
struct Run {
  int first = 0, count = 0;
};
std::optional<Run> short_run(const llvm::Value* mask) {
  constexpr int kMostStores = 3;
  const auto* constant = llvm::dyn_cast<llvm::Constant>(mask);
  if (constant == nullptr) return std::nullopt;
  Run run;
  for (int lane = 0; lane < lanes_of(mask); ++lane) {
    const llvm::Constant* bit = constant->getAggregateElement(static_cast<unsigned>(lane));
    if (bit == nullptr || !llvm::isa<llvm::ConstantInt>(bit)) return std::nullopt;
    if (bit->isNullValue()) continue;
    if (run.count == 0) run.first = lane;
    if (lane != run.first + run.count) return std::nullopt;
    ++run.count;
  }
  if (std::popcount(static_cast<unsigned>(run.count)) > kMostStores) return std::nullopt;
  return run;
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
    const auto at_lane = [&](int lane) {
      return b_.CreateConstGEP1_64(element, at, static_cast<uint64_t>(lane));
    };
    if (piece.mask == nullptr) {
      b_.CreateAlignedStore(part(value, piece), at_lane(piece.first), align);
    } else if (std::optional<Run> run = short_run(piece.mask)) {
      for (run->first += piece.first; run->count > 0;) {
        const auto lanes = static_cast<int>(std::bit_floor(static_cast<unsigned>(run->count)));
        b_.CreateAlignedStore(part(value, {run->first, lanes, nullptr, false}), at_lane(run->first),
                              align);
        run->first += lanes;
        run->count -= lanes;
      }
    } else {
      b_.CreateMaskedStore(part(value, piece), at_lane(piece.first), align, piece.mask);
    }
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

// All lanes that may be true are, or nullptr. Lanes of `able` are read, others are `rest`.
llvm::Value* MaskedAccess::near_piece(llvm::Type* element, llvm::Value* base,
                                      const std::vector<int64_t>& places, llvm::Align align,
                                      const Piece& piece, const std::vector<int>& able,
                                      llvm::Value* rest) {
  const auto place = [&](int lane) { return places[static_cast<size_t>(lane)]; };
  int64_t low = place(able[0]), high = low;
  for (const int lane : able) {
    low = std::min(low, place(lane));
    high = std::max(high, place(lane));
  }
  const int64_t count = high - low + 1, lanes = piece.lanes;
  const int64_t registers = (count + lanes - 1) / lanes;
  if (registers > kMostNearRegisters) return nullptr;
  llvm::Type* type = shaped(element, piece.lanes);
  llvm::Value* found = nullptr;
  for (int64_t i = 0; i < registers; ++i) {
    const int64_t from = i > 0 && i == registers - 1 ? high - lanes + 1 : low + i * lanes;
    llvm::Value* at = b_.CreateGEP(element, base, b_.getInt64(static_cast<uint64_t>(from)));
    llvm::Value* mask = nullptr;
    if (count < lanes) {
      std::vector<llvm::Constant*> bits;
      for (int64_t l = 0; l < lanes; ++l) bits.push_back(b_.getInt1(l < count));
      mask = llvm::ConstantVector::get(bits);
    }
    llvm::Value* loaded = load(type, at, align, mask, llvm::Constant::getNullValue(type));
    std::vector<int> from_lane(static_cast<size_t>(lanes), -1);
    for (int l = 0; l < lanes; ++l)
      if (found != nullptr) from_lane[static_cast<size_t>(l)] = l;
    for (const int lane : able)
      if (place(lane) >= from && place(lane) < from + lanes)
        from_lane[static_cast<size_t>(lane - piece.first)] =
            static_cast<int>(place(lane) - from + (found != nullptr ? lanes : 0));
    found = found == nullptr ? b_.CreateShuffleVector(loaded, from_lane)
                             : b_.CreateShuffleVector(found, loaded, from_lane);
  }
  return piece.mask == nullptr ? found : b_.CreateSelect(piece.mask, found, rest);
}

// A register in another order, of which a mask says what is read; nullptr where it is not one.
llvm::Value* MaskedAccess::permuted_piece(llvm::Type* element, llvm::Value* base,
                                          const std::vector<int64_t>& places, llvm::Align align,
                                          const Piece& piece, llvm::Value* rest) {
  const auto first = places.begin() + piece.first;
  const int64_t low = *std::min_element(first, first + piece.lanes);
  std::vector<int> to(static_cast<size_t>(piece.lanes)), from(to.size(), -1);
  for (int lane = 0; lane < piece.lanes; ++lane) {
    const int64_t place = first[lane] - low;
    if (place >= piece.lanes || from[static_cast<size_t>(place)] >= 0) return nullptr;
    to[static_cast<size_t>(lane)] = static_cast<int>(place);
    from[static_cast<size_t>(place)] = lane;
  }
  llvm::Value* at = b_.CreateGEP(element, base, b_.getInt64(static_cast<uint64_t>(low)));
  llvm::Value* loaded = b_.CreateMaskedLoad(shaped(element, piece.lanes), at, align,
                                            b_.CreateShuffleVector(piece.mask, from),
                                            b_.CreateShuffleVector(rest, from));
  return b_.CreateShuffleVector(loaded, to);
}

llvm::Value* MaskedAccess::load_near(llvm::Type* vector, llvm::Value* base,
                                     const std::vector<int64_t>& places, llvm::Align align,
                                     llvm::Value* mask, llvm::Value* otherwise) {
  llvm::Type* element = vector->getScalarType();
  std::vector<llvm::Value*> loaded;
  for (const Piece& piece : pieces(mask, lanes_of(vector), bytes_of_element(vector), false)) {
    llvm::Value* rest = part(otherwise, piece);
    llvm::Value* found = nullptr;
    const std::vector<int> able = mask == nullptr
                                      ? lanes_of_piece(piece.first, piece.lanes)
                                      : lanes_that_may_be_true(mask, piece.first, piece.lanes);
    if (piece.none)
      found = rest;
    else if (piece.mask == nullptr || llvm::isa<llvm::Constant>(piece.mask))
      found = near_piece(element, base, places, align, piece, able, rest);
    else
      found = permuted_piece(element, base, places, align, piece, rest);
    if (found == nullptr) {
      std::vector<llvm::Constant*> offsets;
      for (int lane = piece.first; lane < piece.first + piece.lanes; ++lane)
        offsets.push_back(b_.getInt64(static_cast<uint64_t>(places[static_cast<size_t>(lane)])));
      found = gather(shaped(element, piece.lanes), base, llvm::ConstantVector::get(offsets), align,
                     piece.mask, rest);
    }
    loaded.push_back(found);
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
