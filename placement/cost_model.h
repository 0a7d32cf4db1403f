#pragma once

#include <functional>
#include <limits>

#include "ir/nest.h"
#include "partition/reshard.h"
#include "placement/cluster.h"

namespace tessera {

// Predicted seconds of one local nest, on one device. codegen's kernel model is one; must be a
// function of the nest alone, the same on every rank.
using KernelSeconds = std::function<double(const Nest& local)>;

// max(flops / peak, bytes / memory bandwidth) + launch.
KernelSeconds roofline(const Device& device);

// alpha-beta prices of collectives on a cluster whose ranks are numbered as in the mesh.
//
//   all-gather, reduce-scatter   ring: (g - 1) latencies, and the bytes over the slowest link
//   all-reduce                   the cheaper of ring, 2 (g - 1) latencies, and recursive doubling,
//                                log2 g rounds of the whole tensor
//   all-to-all                   g - 1 messages, most to other blocks when there are several
//   halo                         a message to and from each neighbour
//
// A group passes the links of each level whose blocks it leaves, and shares them with the other
// groups of its block that do the same at the same time.
//
//   8 ranks in 2 nodes, mesh data=2,model=4:  model stays inside; data has 4 groups that cross, so
//   each has a quarter of a node's link
//
// Where collectives of all devices of a level were measured, the price of a group that goes as far
// is what they took at that size, with the rounds of the group and its share of the bandwidth.
class ClusterCommCost : public CommCost {
 public:
  explicit ClusterCommCost(const Cluster& cluster);
  double seconds(CommKind kind, const Mesh& mesh, const Axes& axes, int64_t bytes) const override;
  // Reading and writing at the rate of the device's memory.
  double copying(int64_t bytes) const override;

 private:
  struct Span {
    int group = 1;
    double latency = 0;  // of the slowest hop
    double ring_bandwidth = std::numeric_limits<double>::infinity();
    double exchange_bandwidth = ring_bandwidth;  // of one rank in an all-to-all
    const LinkLevel* outermost = nullptr;        // that the group passes
    int joined = 1;                              // devices of a block of that level
  };
  Span span_of(const Mesh& mesh, const Axes& axes) const;
  static double model(CommKind kind, const Span& span, double bytes);

  Cluster cluster_;
};

}  // namespace tessera
