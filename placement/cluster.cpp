#include "placement/cluster.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/host_memory.h"
#include "base/units.h"

namespace tessera {

Cluster this_machine(int ranks) {
  if (ranks < 1)
    throw UserError("a cluster needs at least one rank, found " + std::to_string(ranks));
  Cluster cluster;
  cluster.devices = cluster.per_node = ranks;
  double cores = std::max(1U, std::thread::hardware_concurrency());
  double share = std::max(1.0, cores / ranks);  // cores of one rank
  double crowding = std::min(1.0, cores / ranks);
  int64_t memory = std::min(host_memory().total, process_memory().total);
  cluster.device.memory = std::max<int64_t>(memory / 10 * 8 / ranks, 1);
  cluster.device.flops = 100e9 * share * crowding;
  cluster.device.memory_bandwidth = std::min(10e9 * share, 80e9 / ranks) * crowding;
  cluster.inner = {5e-6 / crowding, 1.5e9 * crowding};
  cluster.outer = cluster.inner;
  return cluster;
}

Cluster imagined_cluster(int devices) {
  if (devices < 1)
    throw UserError("a cluster needs at least one device, found " + std::to_string(devices));
  Cluster cluster;
  cluster.devices = devices;
  cluster.per_node = std::min(devices, 8);
  cluster.device = {"cpu", int64_t{16} << 30, 400e9, 20e9, 2e-6};
  cluster.inner = {3e-6, 8e9};
  cluster.outer = {15e-6, 12.5e9};
  return cluster;
}

void verify(const Cluster& cluster) {
  auto require = [](bool good, const std::string& field, const std::string& found) {
    if (!good) throw UserError("cluster: `" + field + "` must be positive, found " + found);
  };
  require(cluster.devices > 0, "devices", std::to_string(cluster.devices));
  require(cluster.per_node > 0, "per_node", std::to_string(cluster.per_node));
  require(cluster.device.memory > 0, "device.memory", std::to_string(cluster.device.memory));
  require(cluster.device.flops > 0, "device.flops", std::to_string(cluster.device.flops));
  require(cluster.device.memory_bandwidth > 0, "device.memory_bandwidth",
          std::to_string(cluster.device.memory_bandwidth));
  require(cluster.inner.bandwidth > 0, "inner.bandwidth", std::to_string(cluster.inner.bandwidth));
  require(cluster.outer.bandwidth > 0, "outer.bandwidth", std::to_string(cluster.outer.bandwidth));
}

std::string describe(const Cluster& cluster) {
  return std::to_string(cluster.devices) + " " + cluster.device.kind +
         (cluster.devices == 1 ? " device of " : " devices of ") +
         human_bytes(cluster.device.memory) + " in " + std::to_string(cluster.nodes()) +
         (cluster.nodes() == 1 ? " node" : " nodes");
}

}  // namespace tessera
