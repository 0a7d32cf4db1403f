#include "placement/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/host_memory.h"
#include "base/units.h"

namespace tessera {

namespace {

int host_cores() {
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

constexpr int kMostInANode = 8;

}  // namespace

double crowding(int ranks) {
  return std::min(1.0, static_cast<double>(host_cores()) / ranks);
}

Cluster this_machine(int ranks) {
  if (ranks < 1)
    throw UserError("a cluster needs at least one rank, found " + std::to_string(ranks));
  Cluster cluster;
  cluster.devices = ranks;
  const double share = std::max(1.0, static_cast<double>(host_cores()) / ranks);  // cores of one
  const double crowded = crowding(ranks);
  const int64_t memory = std::min(host_memory().total, process_memory().total);
  cluster.device.memory = std::max<int64_t>(memory / 10 * 8 / ranks, 1);
  cluster.device.flops = 100e9 * share * crowded;
  cluster.device.memory_bandwidth = std::min(10e9 * share, 80e9 / ranks) * crowded;
  if (ranks > 1) cluster.levels = {{"memory", ranks, {5e-6 / crowded, 1.5e9 * crowded}, 0, {}}};
  return cluster;
}

Cluster imagined_cluster(int devices) {
  if (devices < 1)
    throw UserError("a cluster needs at least one device, found " + std::to_string(devices));
  Cluster cluster;
  cluster.devices = devices;
  const int per_node = std::min(devices, kMostInANode);
  cluster.device = {"cpu", int64_t{16} << 30, 400e9, 20e9, 2e-6};
  if (devices > 1) cluster.levels.push_back({"memory", per_node, {3e-6, 8e9}, 0, {}});
  if (devices > per_node)
    cluster.levels.push_back(
        {"ethernet", (devices + per_node - 1) / per_node, {15e-6, 12.5e9}, 0, {}});
  return cluster;
}

Cluster resized(Cluster cluster, int devices) {
  if (devices == cluster.devices) return cluster;
  cluster.devices = devices;
  std::vector<LinkLevel>& levels = cluster.levels;
  if (levels.empty()) levels.emplace_back();
  if (levels.size() == 1) {
    LinkLevel between = levels[0];
    between.measured.clear();
    if (levels[0].joins < kMostInANode) {
      levels[0].joins = kMostInANode;
      levels[0].measured.clear();
    }
    if (levels[0].joins < devices) levels.push_back(between);
  }
  int64_t below = 1;
  size_t kept = 0;
  bool alike = true;  // the levels so far join what they joined
  while (kept < levels.size() && below < devices) {
    LinkLevel& level = levels[kept++];
    const auto needed = static_cast<int>((devices + below - 1) / below);
    const bool outermost = kept == levels.size();
    const int joins = outermost ? needed : std::min(level.joins, needed);
    alike = alike && joins == level.joins;
    level.joins = joins;
    below *= level.joins;
    if (!alike) level.measured.clear();  // of other devices
  }
  levels.resize(kept);
  return cluster;
}

const LinkLevel& level_of(const Cluster& cluster, int devices) {
  TESSERA_CHECK(!cluster.levels.empty()) << "one device has no neighbours";
  int64_t block = 1;
  for (const LinkLevel& level : cluster.levels)
    if ((block *= level.joins) >= devices) return level;
  return cluster.levels.back();
}

void verify(const Cluster& cluster) {
  const auto require = [](bool good, const std::string& field, double found) {
    if (!good)
      throw UserError(fmt::format("cluster: `{}` must be positive, found {}", field, found));
  };
  require(cluster.devices > 0, "devices", cluster.devices);
  require(cluster.device.memory > 0, "device.memory", static_cast<double>(cluster.device.memory));
  require(cluster.device.flops > 0, "device.flops", cluster.device.flops);
  require(cluster.device.memory_bandwidth > 0, "device.memory_bandwidth",
          cluster.device.memory_bandwidth);
  int64_t joined = 1;
  for (const LinkLevel& level : cluster.levels) {
    require(level.joins > 0, level.name + ".joins", level.joins);
    require(level.link.bandwidth > 0, level.name + ".bandwidth", level.link.bandwidth);
    joined = std::min<int64_t>(joined * level.joins, cluster.devices);
    for (const auto& [kind, seconds] : level.measured) {
      const std::string field = fmt::format("{}.measured.{}", level.name, name_of(kind));
      require(!seconds.empty(), field, 0);
      for (const auto& [bytes, each] : seconds) require(bytes > 0 && each > 0, field, each);
    }
  }
  if (joined < cluster.devices)
    throw UserError(fmt::format(
        "cluster: its levels join {} devices, and it has {}; add a level, or let one join more",
        joined, cluster.devices));
}

double LinkLevel::bandwidth() const {
  return total > 0 ? std::min(link.bandwidth, total / joins) : link.bandwidth;
}

std::string describe(const Cluster& cluster) {
  return std::to_string(cluster.devices) + " " + cluster.device.kind +
         (cluster.devices == 1 ? " device of " : " devices of ") +
         human_bytes(cluster.device.memory) + " in " + std::to_string(cluster.nodes()) +
         (cluster.nodes() == 1 ? " node" : " nodes");
}

}  // namespace tessera
