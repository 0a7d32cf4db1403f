#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ir/expr.h"

namespace tessera {

// The nodes that a walk has been at. Most formulas are small: a few nodes need no memory of their
// own.
//
//   SeenNodes seen;
//   seen.insert(node)   // true the first time
class SeenNodes {
 public:
  SeenNodes() { inline_.fill(nullptr); }
  SeenNodes(const SeenNodes&) = delete;
  SeenNodes& operator=(const SeenNodes&) = delete;

  bool insert(const ExprNode* node) {
    if (2 * (count_ + 1) > size_) grow();
    const ExprNode** at = place_of(node);
    if (*at != nullptr) return false;
    *at = node;
    ++count_;
    return true;
  }

 private:
  // Where it is, or would be: open addressing, sizes are powers of two.
  const ExprNode** place_of(const ExprNode* node) {
    const uint64_t hash = (reinterpret_cast<uintptr_t>(node) >> 4) * 0x9e3779b97f4a7c15ULL;
    for (size_t at = static_cast<size_t>(hash >> 32) & (size_ - 1);; at = (at + 1) & (size_ - 1))
      if (table_[at] == nullptr || table_[at] == node) return &table_[at];
  }

  void grow() {
    const std::vector<const ExprNode*> old(table_, table_ + size_);
    size_ *= 4;
    heap_.assign(size_, nullptr);
    table_ = heap_.data();
    for (const ExprNode* node : old)
      if (node != nullptr) *place_of(node) = node;
  }

  std::array<const ExprNode*, 64> inline_;
  std::vector<const ExprNode*> heap_;
  const ExprNode** table_ = inline_.data();
  size_t size_ = 64;
  size_t count_ = 0;
};

}  // namespace tessera
