#include <llvm/Analysis/VectorUtils.h>

#include <algorithm>

#include "codegen/llvm/emit_values.h"
#include "codegen/llvm/frame.h"
#include "codegen/llvm/scalars.h"
#include "codegen/llvm/transpose.h"

namespace tessera {

// The lanes that touch memory; nullptr for all.
llvm::Value* ValueEmitter::mask_of(const Place& place) {
  llvm::Value* mask = both(both(place.uniform, place.mask), tail_);
  return mask == nullptr ? nullptr : splat(b_, mask, lanes_);
}

// Of each lane from the place's pointer on, in elements.
llvm::Value* ValueEmitter::offsets_of(const Place& place) {
  if (!place.lanes.empty()) {
    std::vector<llvm::Constant*> offsets;
    const auto [low, high] = std::minmax_element(place.lanes.begin(), place.lanes.end());
    constexpr int64_t kSmall = int64_t{1} << 31;
    llvm::Type* type = *low > -kSmall && *high < kSmall ? b_.getInt32Ty() : b_.getInt64Ty();
    for (const int64_t at : place.lanes) offsets.push_back(llvm::ConstantInt::getSigned(type, at));
    return llvm::ConstantVector::get(offsets);
  }
  if (place.offsets == nullptr) {
    const bool small = std::abs(place.step) * lanes_ < (int64_t{1} << 31);
    return iota(small ? b_.getInt32Ty() : b_.getInt64Ty(), lanes_, place.step);
  }
  if (place.step == 0) return place.offsets;
  return b_.CreateAdd(place.offsets,
                      iota(place.offsets->getType()->getScalarType(), lanes_, place.step));
}

// All lanes or none are inside: where none is, they read what lies first in the buffer, and get the
// pad. Nothing where the buffer is too small for that.
std::optional<ValueEmitter::Place> ValueEmitter::always_inside(const Node& node,
                                                               const Place& place) {
  if (place.uniform == nullptr || place.mask != nullptr || place.offsets != nullptr)
    return std::nullopt;
  const NestBuffer& buffer = nest_.buffers[static_cast<size_t>(node.address.buffer)];
  int64_t low = 0, high = place.step * (lanes_ - 1);
  if (!place.lanes.empty()) {
    low = *std::min_element(place.lanes.begin(), place.lanes.end());
    high = *std::max_element(place.lanes.begin(), place.lanes.end());
  }
  if (buffer.per_lane || low > 0 || high - low >= buffer.elements) return std::nullopt;
  llvm::Value* first = b_.CreateGEP(memory_type(b_.getContext(), node.type),
                                    buffers_[static_cast<size_t>(node.address.buffer)],
                                    b_.getInt64(static_cast<uint64_t>(-low)));
  Place inside = place;
  inside.uniform = nullptr;
  if (low < 0) inside.align = static_cast<int64_t>(size_of(node.type));
  inside.pointer = b_.CreateSelect(place.uniform, place.pointer, first);
  return inside;
}

llvm::Value* ValueEmitter::load_vector(const Node& node, const Place& place) {
  if (const std::optional<Place> inside = always_inside(node, place)) {
    llvm::Value* loaded = load_vector(node, *inside);
    llvm::Value* pad = constant_of(b_.getContext(), node.value, lanes_);
    return b_.CreateSelect(splat(b_, place.uniform, lanes_), loaded, pad);
  }
  llvm::Type* type = shaped(memory_type(b_.getContext(), node.type), lanes_);
  const llvm::Align align = place.alignment(node.type);
  llvm::Value* mask = mask_of(place);
  llvm::Constant* pad = memory_constant(b_.getContext(), node.value, lanes_);
  llvm::Value* loaded = nullptr;
  if (place.contiguous())
    loaded = access_.load(type, place.pointer, align, mask, pad);
  else if (!place.lanes.empty())
    loaded = access_.load_near(type, place.pointer, place.lanes, align, mask, pad);
  else
    loaded = access_.gather(type, place.pointer, offsets_of(place), align, mask, pad);
  return from_memory(b_, node.type, loaded);
}

llvm::Type* ValueEmitter::vector_of(int node) const {
  return shaped(register_type(b_.getContext(), node_at(node).type), lanes_);
}

int64_t ValueEmitter::square_of(int node) const {
  return std::min(lanes_,
                  register_bytes_ / static_cast<int>(size_of(sum_type(node_at(node).type))));
}

// Rows of lanes that do not count are those of the last one that does.
void ValueEmitter::load_transposed(int index, int64_t count, llvm::Value* memory) {
  const Node& node = node_at(index);
  const Place place = place_of(node.address, nullptr);
  llvm::Type* element = memory_type(b_.getContext(), node.type);
  const auto size = static_cast<int>(square_of(index));
  const int last = tail_ != nullptr ? static_cast<int>(tail_count_) - 1 : lanes_ - 1;
  std::vector<llvm::Constant*> bits;
  for (int i = 0; i < size; ++i) bits.push_back(b_.getInt1(i < count));
  llvm::Value* mask = count < size ? llvm::ConstantVector::get(bits) : nullptr;
  llvm::Type* row = shaped(element, size);
  std::vector<std::vector<llvm::Value*>> pieces(static_cast<size_t>(count));
  for (int first = 0; first < lanes_; first += size) {
    std::vector<llvm::Value*> rows;
    for (int lane = first; lane < first + size; ++lane) {
      const int64_t at = place.lanes[static_cast<size_t>(std::min(lane, last))];
      llvm::Value* from = b_.CreateConstGEP1_64(element, place.pointer, static_cast<uint64_t>(at));
      rows.push_back(first > last ? llvm::Constant::getNullValue(row)
                                  : access_.load(row, from, llvm::Align(size_of(node.type)), mask,
                                                 llvm::Constant::getNullValue(row)));
    }
    transpose(b_, rows);
    for (size_t i = 0; i < pieces.size(); ++i) pieces[i].push_back(rows[i]);
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    llvm::Value* step = from_memory(b_, node.type, llvm::concatenateVectors(b_, pieces[i]));
    b_.CreateAlignedStore(step, b_.CreateConstGEP1_64(vector_of(index), memory, i),
                          llvm::Align(size_of(sum_type(node.type))));
  }
}

// Lanes that do not count have no row.
void ValueEmitter::store_transposed(const Store& store, int64_t count, llvm::Value* memory) {
  const Node& node = node_at(store.node);
  const NestBuffer& buffer = nest_.buffers[static_cast<size_t>(store.address.buffer)];
  const Place place = place_of(store.address, nullptr);
  llvm::Type* stored = memory_type(b_.getContext(), buffer.type);
  llvm::Type* element = register_type(b_.getContext(), node.type);
  const auto size = static_cast<int>(square_of(store.node));
  llvm::Type* piece = shaped(element, size);
  std::vector<llvm::Constant*> bits;
  for (int i = 0; i < size; ++i) bits.push_back(b_.getInt1(i < count));
  llvm::Value* mask = count < size ? llvm::ConstantVector::get(bits) : nullptr;
  const int last = tail_ != nullptr ? static_cast<int>(tail_count_) : lanes_;
  for (int first = 0; first < last; first += size) {
    std::vector<llvm::Value*> rows;
    for (int step = 0; step < size; ++step) {
      const auto at = static_cast<uint64_t>(step * int64_t{lanes_} + first);
      rows.push_back(step < count ? static_cast<llvm::Value*>(b_.CreateAlignedLoad(
                                        piece, b_.CreateConstGEP1_64(element, memory, at),
                                        llvm::Align(size_of(sum_type(node.type)))))
                                  : llvm::PoisonValue::get(piece));
    }
    transpose(b_, rows);
    for (int lane = first; lane < std::min(first + size, last); ++lane) {
      const int64_t at = place.lanes[static_cast<size_t>(lane)];
      access_.store(to_memory(b_, buffer.type, rows[static_cast<size_t>(lane - first)]),
                    b_.CreateConstGEP1_64(stored, place.pointer, static_cast<uint64_t>(at)),
                    llvm::Align(size_of(buffer.type)), mask);
    }
  }
}

}  // namespace tessera
