#include "launcher/host_cluster.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <numeric>

#include "base/error.h"
#include "base/hash.h"
#include "launcher/hosts.h"
#include "launcher/median.h"

namespace tessera {
namespace {

constexpr int kTag = 31'000;
constexpr size_t kLongBytes = size_t{1} << 20;

uint64_t host_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::getline(file, boot);
  return hash_bytes(boot + this_host_name());
}

// The nearest power of two: plans, and with them the bits of results, should not hang on noise.
double rounded(double value) {
  return std::exp2(std::round(std::log2(value)));
}

// Half of the time, in the median, that a message takes to the peer and back.
double one_way_seconds(Communicator& world, int peer, bool first, size_t bytes, int times) {
  using Clock = std::chrono::steady_clock;
  std::vector<char> data(bytes);
  std::vector<double> seconds;
  for (int i = 0; i < times; ++i) {
    const auto start = Clock::now();
    if (first) world.send(data.data(), bytes, peer, kTag);
    world.recv(data.data(), bytes, peer, kTag);
    if (!first) world.send(data.data(), bytes, peer, kTag);
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count() / 2);
  }
  return median_of(seconds);
}

// The ranks of each host, in the order of ranks. Hosts that come again later count anew.
std::vector<int> runs(const std::vector<HostFacts>& facts) {
  std::vector<int> lengths;
  for (size_t r = 0; r < facts.size(); ++r) {
    if (r == 0 || facts[r].host != facts[r - 1].host) lengths.push_back(0);
    ++lengths.back();
  }
  return lengths;
}

}  // namespace

Link measure_link(Communicator& world, int one, int other, size_t bytes) {
  world.set_context("measuring a link");
  double found[2] = {};
  if (world.rank() == one || world.rank() == other) {
    const bool first = world.rank() == one;
    const int peer = first ? other : one;
    one_way_seconds(world, peer, first, 1, 5);  // connects
    found[0] = one_way_seconds(world, peer, first, 1, 21);
    found[1] = one_way_seconds(world, peer, first, bytes, 3);
  }
  world.broadcast(found, sizeof found, one);
  const double latency = std::max(found[0], 1e-7);
  const double transfer = std::max(found[1] - latency, 1e-7);
  return {latency, static_cast<double>(bytes) / transfer};
}

Cluster cluster_of(const std::vector<HostFacts>& facts, const Link& outer) {
  TESSERA_CHECK(!facts.empty()) << "a cluster needs ranks";
  const std::vector<int> lengths = runs(facts);
  const auto least = [&](double HostFacts::*member) {
    double found = facts[0].*member;
    for (const HostFacts& one : facts) found = std::min(found, one.*member);
    return found;
  };
  const double crowded = least(&HostFacts::crowding);
  Cluster cluster = this_machine(1);
  cluster.devices = static_cast<int>(facts.size());
  int per_node = 0;
  for (const int length : lengths) per_node = std::gcd(per_node, length);
  cluster.device.memory = static_cast<int64_t>(least(&HostFacts::memory));
  cluster.device.flops = least(&HostFacts::flops);
  cluster.device.memory_bandwidth = least(&HostFacts::memory_bandwidth);
  cluster.levels = {{"memory", per_node, {5e-6 / crowded, 1.5e9 * crowded}, 0, {}}};
  if (lengths.size() == 1) return cluster;
  const int most = *std::max_element(lengths.begin(), lengths.end());
  cluster.levels.push_back({"network",
                            cluster.devices / per_node,
                            {outer.latency, outer.bandwidth * per_node / most},
                            0,
                            {}});
  return cluster;
}

Cluster cluster_of(Communicator& world) {
  if (world.size() == 1) return this_machine(1);
  const uint64_t host = host_id();
  const std::vector<size_t> one_each(static_cast<size_t>(world.size()), 1);
  std::vector<uint64_t> hosts(one_each.size());
  world.set_context("comparing which ranks share a host");
  world.all_gather(&host, hosts.data(), one_each, DType::i64);
  const auto here = static_cast<int>(std::count(hosts.begin(), hosts.end(), host));
  if (here == world.size()) return this_machine(here);
  const Cluster mine = this_machine(here);
  const HostFacts own{host, static_cast<double>(mine.device.memory), mine.device.flops,
                      mine.device.memory_bandwidth, crowding(here)};
  const std::vector<size_t> counts(one_each.size(), sizeof own);
  std::vector<HostFacts> facts(one_each.size());
  world.all_gather(&own, facts.data(), counts, DType::u8);
  const auto other = std::find_if(facts.begin(), facts.end(),
                                  [&](const HostFacts& one) { return one.host != facts[0].host; });
  const Link outer = measure_link(world, 0, static_cast<int>(other - facts.begin()), kLongBytes);
  return cluster_of(facts, {rounded(outer.latency), rounded(outer.bandwidth)});
}

}  // namespace tessera
