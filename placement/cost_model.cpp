#include "placement/cost_model.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace tessera {

KernelSeconds roofline(const Device& device) {
  return [device](const Nest& local) {
    return std::max(flops_of(local) / device.flops, bytes_of(local) / device.memory_bandwidth) +
           device.launch;
  };
}

namespace {

// How many ranks of the group of rank 0 are below `limit`. Where the limit is a node's size, no
// node has more of them than the first.
int members_below(int limit, const Mesh& mesh, const Axes& axes) {
  int below = 0;
  int inner = mesh.group_size(axes);  // members for each coordinate of the axis
  int stride = mesh.ranks();
  for (int axis = 0; axis < mesh.count(); ++axis) {
    stride /= mesh.size(axis);
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) continue;
    inner /= mesh.size(axis);
    const int whole = std::min(limit / stride, mesh.size(axis));
    below += whole * inner;
    if (whole == mesh.size(axis)) return below;
    limit -= whole * stride;
  }
  return limit > 0 ? below + 1 : below;
}

}  // namespace

ClusterCommCost::Span ClusterCommCost::span_of(const Mesh& mesh, const Axes& axes) const {
  Span span;
  span.group = mesh.group_size(axes);
  span.latency = cluster_.inner.latency;
  span.ring_bandwidth = span.exchange_bandwidth = cluster_.inner.bandwidth;
  const int members = members_below(cluster_.per_node, mesh, axes);
  if (members == span.group) return span;
  // Groups of one node that cross its border at the same time.
  double groups = std::max(
      1.0, std::floor(static_cast<double>(std::min(cluster_.per_node, mesh.ranks())) / members));
  double share = cluster_.outer.bandwidth / groups;
  double leaving = static_cast<double>(span.group - members) / (span.group - 1);
  span.latency = std::max(cluster_.inner.latency, cluster_.outer.latency);
  span.ring_bandwidth = std::min(cluster_.inner.bandwidth, share);
  span.exchange_bandwidth = std::min(cluster_.inner.bandwidth, share / (members * leaving));
  return span;
}

double ClusterCommCost::seconds(CommKind kind, const Mesh& mesh, const Axes& axes,
                                int64_t bytes) const {
  if (!communicates(kind)) return 0;
  Span span = span_of(mesh, axes);
  if (span.group == 1) return 0;
  double n = static_cast<double>(bytes), g = span.group;
  switch (kind) {
    case CommKind::all_gather:
    case CommKind::reduce_scatter:
      return (g - 1) * span.latency + n / span.ring_bandwidth;
    case CommKind::all_reduce: {
      double ring = 2 * (g - 1) * span.latency + n / span.ring_bandwidth;
      double rounds = std::ceil(std::log2(g)), whole = n * g / (2 * (g - 1));
      return std::min(ring, rounds * (span.latency + whole / span.ring_bandwidth));
    }
    case CommKind::all_to_all:
      return (g - 1) * span.latency + n / span.exchange_bandwidth;
    case CommKind::halo:
      return 2 * span.latency + n / span.ring_bandwidth;
    case CommKind::slice:
    case CommKind::mask:
      break;
  }
  return 0;
}

}  // namespace tessera
