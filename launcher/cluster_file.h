#pragma once

#include <optional>
#include <string>

#include "codegen/machine.h"
#include "placement/cluster.h"

namespace tessera {

// What a file says of a cluster.
struct ClusterDescription {
  Cluster cluster;
  // That each device is; nothing: kernels take what a roofline says.
  std::optional<Machine> machine;
  int threads = 1;  // that compute on a device, with `machine`

  bool operator==(const ClusterDescription&) const = default;
};

// Reads the description of a cluster, for planning for machines other than this one, or of this one
// as `tessera calibrate` measured it. Every error is a UserError with file:line:col (yaml.h).
//
//   device: {kind: gpu, memory: 80GiB, flops: 60 TFLOP/s, memory_bandwidth: 3 TB/s, launch: 4us}
//   levels:                       # what joins devices, the innermost first
//   - {name: NVLink, joins: 8, latency: 3us, bandwidth: 300 GB/s}       # of each of 8 devices
//   - {name: rail, joins: 4, latency: 6us, bandwidth: 400 Gbit/s}       # of each of 4 nodes
//   - {name: spine, joins: 2, latency: 9us, bandwidth: 1600 Gbit/s, total: 2400 Gbit/s}
//
// That is 64 devices. `total` is what all blocks of a level can send together, where that is less
// than the sum of their links; `measured: {all-reduce: [[64, 3us], [1MiB, 210us]], …}` says what
// collectives of all devices of the level took, by the bytes that a device moves. `launch` is 2us
// and `kind` cpu when left out; every other key is needed. Two levels may be written in short:
//
//   nodes: 4                      # machines; 1 when left out
//   per_node: 8                   # devices in each
//   inner: {latency: 3us, bandwidth: 300 GB/s}     # between the devices of a node: of one device
//   outer: {latency: 6us, bandwidth: 50 GB/s}      # between nodes: of a node; needs nodes > 1
//
// `device.machine` and `device.threads` are the facts of codegen/machine.h, by which kernels are
// priced then, and how many threads compute on a device.
ClusterDescription load_cluster(const std::string& file);
// The same for text; `name` stands for the file.
ClusterDescription parse_cluster(const std::string& text, const std::string& name);

// The text that parse_cluster reads back as what is described, rates and times to four digits.
std::string print_cluster(const ClusterDescription& description);

}  // namespace tessera
