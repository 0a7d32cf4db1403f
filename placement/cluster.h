#pragma once

#include <cstdint>
#include <string>

namespace tessera {

// One kind of device; all devices of a cluster are alike.
struct Device {
  std::string kind = "cpu";
  int64_t memory = int64_t{4} << 30;  // bytes that a plan may use
  double flops = 100e9;               // per second, f32, of one device
  double memory_bandwidth = 10e9;     // bytes per second
  double launch = 2e-6;               // seconds that even an empty kernel takes

  bool operator==(const Device&) const = default;
};

// One level of links. A message of n bytes takes latency + n / bandwidth.
struct Link {
  double latency = 5e-6;   // seconds
  double bandwidth = 2e9;  // bytes per second: of one device inside a node, of the NIC of a node

  bool operator==(const Link&) const = default;
};

// What the planner knows of the machines: `devices` ranks, `per_node` of them in one machine,
// neighbours first. Inside a node a rank uses `inner`; between nodes all ranks of a node share one
// NIC, `outer`.
struct Cluster {
  int devices = 1;
  int per_node = 1;
  Device device;
  Link inner{5e-6, 2e9};
  Link outer{20e-6, 1.25e9};

  int nodes() const { return (devices + per_node - 1) / per_node; }
  bool operator==(const Cluster&) const = default;
};

// This machine with `ranks` ranks: its cores and four fifths of its memory (base/host_memory.h) are
// shared between them. Rates are typical ones. Throws UserError unless ranks > 0.
Cluster this_machine(int ranks);

// For "what if" plans: `devices` server CPUs, eight to a node, on 100 Gbit/s Ethernet.
Cluster imagined_cluster(int devices);

// Throws UserError naming the first field that makes no sense.
void verify(const Cluster& cluster);

// "64 cpu devices of 4.00 GiB in 8 nodes"
std::string describe(const Cluster& cluster);

}  // namespace tessera
