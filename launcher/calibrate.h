#pragma once

#include <functional>

#include "codegen/cpu_level.h"
#include "comm/communicator.h"
#include "launcher/cluster_file.h"

namespace tessera {

struct CalibrationSettings {
  int threads = 1;  // that compute on each rank
  CpuLevel cpu = CpuLevel::host;
  double seconds = 10;             // of all collectives together, about
  size_t most = size_t{16} << 20;  // bytes of the largest vector
};

// Measures the cluster that the ranks of a job make up: for each level of links (host_cluster.h) a
// message's latency and bandwidth, and what the collectives of all ranks that it joins take at
// sizes from 256 B to `most`, on all nodes at once; and what a rank can do, which is its part of
// the slowest host. `done` is told how many of how many measurements are made. Together; that of
// rank 0 is the one to keep.
ClusterDescription calibrate(Communicator& world, const CalibrationSettings& settings,
                             const std::function<void(int64_t done, int64_t all)>& done);

}  // namespace tessera
