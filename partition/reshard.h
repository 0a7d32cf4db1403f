#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "partition/sharding.h"

namespace tessera {

// What can happen to a whole tensor between two nests. Slice and mask need no communication; halo
// and window are no part of a path between shardings (see halo.h).
enum class CommKind : uint8_t {
  all_gather,      // gather_dim loses its innermost axes
  reduce_scatter,  // partial axes become the innermost axes of scatter_dim
  all_reduce,      // partial axes become replicated
  all_to_all,      // the innermost axis of gather_dim becomes the innermost of scatter_dim
  slice,           // a replicated axis becomes the innermost of scatter_dim
  halo,            // each rank gets a window of gather_dim, from those beside it in the group
  window,          // the same from anybody: a shift or a mirror image sends each block to one other
  mask             // replicated becomes partial: the first rank keeps it, others hold the identity
};
const char* name_of(CommKind kind);  // "all-gather", "reduce-scatter", ...
constexpr bool communicates(CommKind kind) {
  return kind != CommKind::slice && kind != CommKind::mask;
}

// The price of a collective. Implemented by the cost model of placement/; must not fall when
// `bytes` grows.
class CommCost {
 public:
  virtual ~CommCost() = default;
  // Seconds of one collective among ranks that differ along `axes`; `bytes` as in ReshardStep.
  virtual double seconds(CommKind kind, const Mesh& mesh, const Axes& axes,
                         int64_t bytes) const = 0;
  // Seconds in which a rank copies so many bytes in its own memory.
  virtual double copying(int64_t) const { return 0; }
};

// latency * (1 + floor(log2 group)) + bytes / bandwidth: enough to choose paths without a cluster.
class LinearCommCost : public CommCost {
 public:
  explicit LinearCommCost(double latency = 5e-6, double bandwidth = 2e9)
      : latency_(latency), bandwidth_(bandwidth) {}
  double seconds(CommKind kind, const Mesh& mesh, const Axes& axes, int64_t bytes) const override;

 private:
  double latency_;    // seconds
  double bandwidth_;  // bytes per second
};

struct ReshardStep {
  CommKind kind = CommKind::slice;
  Axes axes;            // the group; members count row-major in this order
  int gather_dim = -1;  // position among the tensor's dims
  int scatter_dim = -1;
  Sharding after;
  // What the busiest rank moves: all-gather receives what it lacks; reduce-scatter sends what it
  // does not keep; all-to-all the larger of what it sends and receives; all-reduce both of the
  // first two over equal parts. 0 for slice and mask.
  int64_t bytes = 0;
  double seconds = 0;
};

struct ReshardPath {
  std::vector<ReshardStep> steps;
  int64_t bytes = 0;
  double seconds = 0;
};

// Bytes that `rank` itself moves in a step that starts from `before`, counted as above.
int64_t bytes_moved(const TensorShape& shape, const Sharding& before, const ReshardStep& step,
                    const Mesh& mesh, int rank);

// The most that any rank moves in it: what `step.bytes` is to be, which is not read. Takes no
// longer for large meshes.
int64_t busiest_bytes(const TensorShape& shape, const Sharding& before, const ReshardStep& step,
                      const Mesh& mesh);

// Bytes that a rank copies on its own besides: collectives take and give the blocks of ranks back
// to back, so those along a dim that is not the outermost one are packed before, or put in place
// after.
int64_t copied_bytes(const TensorShape& shape, const Sharding& before, const ReshardStep& step,
                     const Mesh& mesh);

// What the step costs, copying included.
double seconds_of(const TensorShape& shape, const Sharding& before, const ReshardStep& step,
                  const Mesh& mesh, const CommCost& cost);

// The cheapest way from one sharding to another: Dijkstra over shardings. Ties go to fewer steps,
// then to the move found first, so every rank finds the same path. `to` may be partial over axes
// over which `from` is partial with the same op or replicated. Never dearer than gathering
// everything and slicing, and dist(a, c) <= dist(a, b) + dist(b, c).
ReshardPath reshard(const TensorShape& shape, const Sharding& from, const Sharding& to,
                    const Mesh& mesh, const CommCost& cost);

// `reshard` with a memory, for planners that ask the same many times. Not thread-safe; keeps
// references to mesh and cost.
class Resharder {
 public:
  Resharder(const Mesh& mesh, const CommCost& cost) : mesh_(mesh), cost_(cost) {}
  const ReshardPath& path(const TensorShape& shape, const Sharding& from, const Sharding& to);
  const Mesh& mesh() const { return mesh_; }

 private:
  const Mesh& mesh_;
  const CommCost& cost_;
  std::map<std::tuple<TensorShape, Sharding, Sharding>, ReshardPath> known_;
};

}  // namespace tessera
