#include "comm/mpi/host_layout.h"

#include <algorithm>
#include <set>

#include "comm/mpi/channel.h"
#include "comm/mpi/shared_region.h"

namespace tessera {

int HostLayout::smallest() const {
  int found = ranks_of(0);
  for (int h = 1; h < hosts(); ++h) found = std::min(found, ranks_of(h));
  return found;
}

int HostLayout::largest() const {
  int found = 0;
  for (int h = 0; h < hosts(); ++h) found = std::max(found, ranks_of(h));
  return found;
}

HostLayout host_layout(const std::vector<uint64_t>& machines, int rank) {
  HostLayout layout;
  std::set<uint64_t> seen;
  for (size_t r = 0; r < machines.size(); ++r) {
    if (r > 0 && machines[r] == machines[r - 1]) continue;
    layout.in_order = seen.insert(machines[r]).second && layout.in_order;
    layout.first.push_back(static_cast<int>(r));
    if (static_cast<int>(r) <= rank) layout.host = static_cast<int>(layout.first.size()) - 1;
  }
  layout.index = rank - layout.first[static_cast<size_t>(layout.host)];
  layout.first.push_back(static_cast<int>(machines.size()));
  return layout;
}

HostLayout find_host_layout(Channel& channel, const CallInfo& info, int ranks_per_host) {
  const uint64_t mine =
      ranks_per_host > 0 ? static_cast<uint64_t>(info.world_rank / ranks_per_host) : machine_id();
  std::vector<uint64_t> all(static_cast<size_t>(channel.size()));
  channel.gather_all(info, &mine, sizeof mine, all.data());
  return host_layout(all, channel.rank());
}

}  // namespace tessera
