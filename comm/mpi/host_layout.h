#pragma once

#include <cstdint>
#include <vector>

#include "comm/call.h"

namespace tessera {

class Channel;

// Which ranks of a group share a machine.
//
//   ranks 0 to 4 on machines a a b b b: first = {0, 2, 5}, and rank 3 has host 1 and index 1
struct HostLayout {
  std::vector<int> first;  // of each host's ranks; and, last, how many ranks there are
  int host = 0;            // of this rank
  int index = 0;           // among the ranks of its host
  bool in_order = true;    // the ranks of each host follow one another; else the rest means nothing

  int hosts() const { return static_cast<int>(first.size()) - 1; }
  int ranks_of(int h) const { return first[h + 1] - first[h]; }
  int ranks_here() const { return ranks_of(host); }
  int smallest() const;  // number of ranks of a host
  int largest() const;
};

// `machines` has one number for each rank, equal where they share a machine.
HostLayout host_layout(const std::vector<uint64_t>& machines, int rank);

// Together. `ranks_per_host` as in CommOptions.
HostLayout find_host_layout(Channel& channel, const CallInfo& info, int ranks_per_host);

}  // namespace tessera
