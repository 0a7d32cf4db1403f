#include "placement/cost_model.h"

#include <algorithm>
#include <cmath>
#include <iterator>

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

// Messages, one after another, that a group of `g` sends of the kind.
double rounds_of(CommKind kind, double g) {
  switch (kind) {
    case CommKind::all_gather:
    case CommKind::reduce_scatter:
    case CommKind::all_to_all:
    case CommKind::window:
      return g - 1;
    case CommKind::all_reduce:
      return std::ceil(std::log2(g));
    case CommKind::halo:
      return std::min(2.0, g - 1);
    case CommKind::slice:
    case CommKind::mask:
      break;
  }
  return 0;
}

// Between two sizes a straight line, beyond the largest in proportion.
double at_size(const std::map<int64_t, double>& measured, double bytes) {
  const auto next = measured.lower_bound(static_cast<int64_t>(std::ceil(bytes)));
  if (next == measured.begin()) return next->second;
  const auto& [before, seconds] = *std::prev(next);
  if (next == measured.end()) return seconds * bytes / static_cast<double>(before);
  const double along =
      (bytes - static_cast<double>(before)) / static_cast<double>(next->first - before);
  return seconds + along * (next->second - seconds);
}

// No size faster than a smaller one.
void make_rising(std::map<int64_t, double>& measured) {
  double most = 0;
  for (auto& [bytes, seconds] : measured) seconds = most = std::max(most, seconds);
}

}  // namespace

ClusterCommCost::ClusterCommCost(const Cluster& cluster) : cluster_(cluster) {
  for (LinkLevel& level : cluster_.levels)
    for (auto& [kind, measured] : level.measured) make_rising(measured);
}

ClusterCommCost::Span ClusterCommCost::span_of(const Mesh& mesh, const Axes& axes) const {
  Span span;
  span.group = mesh.group_size(axes);
  int block = 1;  // devices that share a link of the level
  for (const LinkLevel& level : cluster_.levels) {
    const int members = members_below(block, mesh, axes);
    if (members == span.group) break;
    // Groups of one block that leave it at the same time.
    const double groups =
        std::max(1.0, std::floor(static_cast<double>(std::min(block, mesh.ranks())) / members));
    const double share = level.bandwidth() / groups;
    const double leaving = static_cast<double>(span.group - members) / (span.group - 1);
    span.latency = std::max(span.latency, level.link.latency);
    span.ring_bandwidth = std::min(span.ring_bandwidth, share);
    span.exchange_bandwidth = std::min(span.exchange_bandwidth, share / (members * leaving));
    span.outermost = &level;
    block = std::min<int64_t>(int64_t{block} * level.joins, cluster_.devices);
    span.joined = block;
  }
  return span;
}

double ClusterCommCost::model(CommKind kind, const Span& span, double bytes) {
  const double g = span.group;
  switch (kind) {
    case CommKind::all_gather:
    case CommKind::reduce_scatter:
    case CommKind::halo:
      return rounds_of(kind, g) * span.latency + bytes / span.ring_bandwidth;
    case CommKind::all_reduce: {
      const double ring = 2 * (g - 1) * span.latency + bytes / span.ring_bandwidth;
      const double whole = bytes * g / (2 * (g - 1));
      const double doubling = rounds_of(kind, g) * (span.latency + whole / span.ring_bandwidth);
      return std::min(ring, doubling);
    }
    case CommKind::all_to_all:
    case CommKind::window:
      return rounds_of(kind, g) * span.latency + bytes / span.exchange_bandwidth;
    case CommKind::slice:
    case CommKind::mask:
      break;
  }
  return 0;
}

double ClusterCommCost::copying(int64_t bytes) const {
  return 2 * static_cast<double>(bytes) / cluster_.device.memory_bandwidth;
}

double ClusterCommCost::seconds(CommKind kind, const Mesh& mesh, const Axes& axes,
                                int64_t bytes) const {
  if (!communicates(kind)) return 0;
  const Span span = span_of(mesh, axes);
  if (span.group == 1) return 0;
  const auto n = static_cast<double>(bytes);
  // Ranks send one another parts of any size, to all of them or to neighbours.
  const bool exchanges = kind == CommKind::window || kind == CommKind::halo;
  const auto found = span.outermost->measured.find(exchanges ? CommKind::all_to_all : kind);
  if (found == span.outermost->measured.end()) return model(kind, span, n);
  // As all devices of the level together took, with the rounds and the bandwidth of this group.
  const Mesh whole{{{"all", span.joined}}};
  const Span measured = span_of(whole, {0});
  const double least = found->second.begin()->second;
  const auto bandwidth = [&](const Span& each) {
    const bool all = kind == CommKind::all_to_all || kind == CommKind::window;
    return all ? each.exchange_bandwidth : each.ring_bandwidth;
  };
  return least * rounds_of(kind, span.group) / rounds_of(found->first, measured.group) +
         (at_size(found->second, n) - least) * bandwidth(measured) / bandwidth(span);
}

}  // namespace tessera
