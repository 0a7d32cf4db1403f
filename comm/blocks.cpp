#include "comm/blocks.h"

#include <algorithm>
#include <numeric>

#include "comm/call.h"

namespace tessera {

size_t offset_of(std::span<const size_t> counts, int index) {
  return std::accumulate(counts.begin(), counts.begin() + index, size_t{0});
}

SplitGroup split_group(std::span<const SplitEntry> entries, int self) {
  SplitGroup group;
  if (entries[self].color < 0) return group;
  std::vector<int> members;
  for (int r = 0; r < static_cast<int>(entries.size()); ++r)
    if (entries[r].color == entries[self].color) members.push_back(r);
  std::stable_sort(members.begin(), members.end(),
                   [&](int a, int b) { return entries[a].key < entries[b].key; });
  for (int r : members) {
    if (r == self) group.rank = static_cast<int>(group.world_ranks.size());
    group.world_ranks.push_back(entries[r].world_rank);
  }
  group.leader = members.front();
  return group;
}

std::string find_unequal_pair(const std::vector<int>& world_ranks,
                              const std::function<size_t(int from, int to)>& sent,
                              const std::function<size_t(int from, int to)>& expected) {
  const int ranks = static_cast<int>(world_ranks.size());
  for (int from = 0; from < ranks; ++from)
    for (int to = 0; to < ranks; ++to)
      if (sent(from, to) != expected(from, to))
        return unequal_pair_text(world_ranks[from], sent(from, to), world_ranks[to],
                                 expected(from, to));
  return "";
}

}  // namespace tessera
