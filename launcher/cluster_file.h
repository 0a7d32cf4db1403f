#pragma once

#include <string>

#include "placement/cluster.h"

namespace tessera {

// Reads the description of a cluster, for planning for machines other than this one. Every error is
// a UserError with file:line:col (yaml.h).
//
//   nodes: 4                      # machines; 1 when left out
//   per_node: 8                   # devices in each
//   device: {kind: gpu, memory: 80GiB, flops: 60 TFLOP/s, memory_bandwidth: 3 TB/s, launch: 4us}
//   inner: {latency: 3us, bandwidth: 300 GB/s}     # between the devices of a node: of one device
//   outer: {latency: 6us, bandwidth: 50 GB/s}      # between nodes: of a node; needs nodes > 1
//
// `launch` is 2us and `kind` cpu when left out; every other key is needed.
Cluster load_cluster(const std::string& file);
// The same for text; `name` stands for the file.
Cluster parse_cluster(const std::string& text, const std::string& name);

}  // namespace tessera
