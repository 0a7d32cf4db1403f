#pragma once

#include <cstdint>
#include <vector>

#include "comm/communicator.h"
#include "placement/cluster.h"

namespace tessera {

// The cluster that the ranks of a job make up, for planning and prices, the same on all of them:
// which of them share a machine, and the link between machines, measured. All devices of a cluster
// are alike, so each counts as the weakest. What was measured is rounded to a power of two, so that
// plans do not change with noise. Together; some 50 ms where there are several hosts.
//
// Hosts may have different numbers of ranks; a node's ranks are then the largest number of
// neighbours that are on one host wherever they begin, and the link is shared by as many more.
// Hosts with 4, 4 and 2 ranks are five nodes of 2 with half of the link each.
Cluster cluster_of(Communicator& world);

// Latency and bandwidth between two ranks, from messages of one byte and of `bytes`. Together; the
// same on all ranks.
Link measure_link(Communicator& world, int one, int other, size_t bytes);

// What a rank says of itself.
struct HostFacts {
  uint64_t host = 0;  // equal where ranks share a machine
  double memory = 0;  // bytes that a plan may use on this rank
  double flops = 0;
  double memory_bandwidth = 0;
  double crowding = 1;  // cores for each rank, at most 1
};

// The same from what all ranks say and what was measured; one rank after another.
Cluster cluster_of(const std::vector<HostFacts>& facts, const Link& outer);

}  // namespace tessera
