#pragma once

#include <cstddef>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace tessera {

// Where the block of rank `index` begins when blocks lie back to back.
size_t offset_of(std::span<const size_t> counts, int index);

// memcpy that allows nothing to do: no bytes, or data already in place.
inline void copy_bytes(void* to, const void* from, size_t bytes) {
  if (bytes > 0 && to != from) std::memcpy(to, from, bytes);
}

// What one rank says in a split.
struct SplitEntry {
  int color = 0;
  int key = 0;
  int world_rank = 0;
};

// The group that rank `self` of the split ends in. rank is -1 for a negative color.
struct SplitGroup {
  int rank = -1;                 // of self, in the new group
  int leader = -1;               // in the old group, of the new group's rank 0
  std::vector<int> world_ranks;  // of the new group, in its order
};
SplitGroup split_group(std::span<const SplitEntry> entries, int self);

// The text about the first pair of ranks where what one sends is not what the other expects; ""
// when all pairs match.
std::string find_unequal_pair(const std::vector<int>& world_ranks,
                              const std::function<size_t(int from, int to)>& sent,
                              const std::function<size_t(int from, int to)>& expected);

}  // namespace tessera
