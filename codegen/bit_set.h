#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera {

// A set of small numbers, one bit each, joined and compared word by word.
//
//   BitSet s(100);  s.add(70);  s.has(70) == true
class BitSet {
 public:
  explicit BitSet(size_t size = 0) : words_((size + 63) / 64, 0) {}

  bool has(size_t i) const { return (words_[i / 64] >> (i % 64) & 1) != 0; }
  void add(size_t i) { words_[i / 64] |= uint64_t{1} << (i % 64); }
  void remove(size_t i) { words_[i / 64] &= ~(uint64_t{1} << (i % 64)); }

  // Everything that `other`, a set of the same size, has.
  void add_all(const BitSet& other) {
    for (size_t w = 0; w < words_.size(); ++w) words_[w] |= other.words_[w];
  }

  bool meets(const BitSet& other) const {
    for (size_t w = 0; w < words_.size(); ++w)
      if ((words_[w] & other.words_[w]) != 0) return true;
    return false;
  }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace tessera
