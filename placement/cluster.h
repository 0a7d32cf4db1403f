#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "partition/reshard.h"

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

// A message of n bytes takes latency + n / bandwidth.
struct Link {
  double latency = 5e-6;   // seconds
  double bandwidth = 2e9;  // bytes per second

  bool operator==(const Link&) const = default;
};

// Seconds that collectives took which all devices of a level made together, by what the busiest
// device moved (ReshardStep::bytes). At least one size for each kind that is there.
using MeasuredSeconds = std::map<CommKind, std::map<int64_t, double>>;

// What joins `joins` blocks of the level below, which are single devices at the lowest: the cores
// of a machine, NVLink in a node, a switch between nodes, a link between racks. `link` is how one
// block reaches the others of its level; all devices of the block share it.
//
//   name: nvlink   joins: 8    a block is a device with 450 GB/s of its own
//   name: rail     joins: 32   a block is a node; its 8 devices share 400 GB/s
//   name: spine    joins: 4    a block is 32 nodes, which share `link` to the others
struct LinkLevel {
  std::string name = "link";
  int joins = 1;
  Link link;
  // Bytes per second of all blocks of a level in sum; 0: no less than their links.
  double total = 0;
  MeasuredSeconds measured;  // nothing: alpha-beta prices

  // Bytes per second of one block while all of them send.
  double bandwidth() const;
  bool operator==(const LinkLevel&) const = default;
};

// What the planner knows of the machines: `devices` ranks, neighbours first, and what joins them,
// the innermost level first. The last block of a level may be smaller than others.
struct Cluster {
  int devices = 1;
  Device device;
  std::vector<LinkLevel> levels;  // of one device: none

  // Devices of one block of the innermost level.
  int per_node() const { return levels.empty() ? 1 : levels[0].joins; }
  int nodes() const { return (devices + per_node() - 1) / per_node(); }
  bool operator==(const Cluster&) const = default;
};

// This machine with `ranks` ranks: its cores and four fifths of its memory (base/host_memory.h) are
// shared between them. Rates are typical ones. Throws UserError unless ranks > 0.
Cluster this_machine(int ranks);

// Cores for each of `ranks` ranks of this machine, at most 1.
double crowding(int ranks);

// For "what if" plans: `devices` server CPUs, eight to a node, on 100 Gbit/s Ethernet.
Cluster imagined_cluster(int devices);

// The same with another number of devices: fewer or more blocks of the outermost level. A machine
// that is alone has up to eight; beyond that there are more of them, joined by the same link.
Cluster resized(Cluster cluster, int devices);

// The innermost level within whose blocks `devices` neighbours lie; there is one.
const LinkLevel& level_of(const Cluster& cluster, int devices);

// Throws UserError naming the first field that makes no sense.
void verify(const Cluster& cluster);

// "64 cpu devices of 4.00 GiB in 8 nodes"
std::string describe(const Cluster& cluster);

}  // namespace tessera
