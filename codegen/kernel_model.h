#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "codegen/lower.h"
#include "codegen/machine.h"
#include "codegen/nest_lines.h"
#include "codegen/nest_work.h"
#include "codegen/tile_work.h"
#include "ir/nest.h"

namespace tessera {

// Predicted time of a nest's kernel when its loops have given local extents: what it does (work.h),
// counted as the kernel is built for the extents of the nest, as tiles of products or as scheduled
// loops, at the prices of the machine's vectors (work_prices.h). Analysed once (some 20 us), asked
// many times (well under a microsecond). An immutable value; any thread may ask.
//
//   KernelModel model(nest, machine);       // loops batch, cout, cin with extents 64, 128, 32
//   model.seconds({{16, 128, 32}}, 2);      // the batch split four ways, on two threads
class KernelModel {
 public:
  KernelModel(const Nest& nest, const Machine& machine);
  // Of nests that run as one loop nest, with what they share and what stays in caches between them.
  // Extents are those of loops_of(group).
  KernelModel(const KernelGroup& group, const Machine& machine);

  // Seconds of one run on `threads` cores, launch included. `extents` in the order of nest.loops().
  double seconds(std::span<const int64_t> extents, int threads) const;

  // What that is the price of.
  WorkAmounts amounts(std::span<const int64_t> extents) const;

 private:
  void analyse_loops(const Dims& loops, const KernelGroup& group);
  std::array<double, kMaxLoops> trips_of(std::span<const int64_t> extents) const;

  Machine machine_;
  double cycle_ = 0;                       // seconds of one vector multiply-add
  std::optional<TileWork> tiles_;          // of a tiled contraction; else:
  std::vector<std::vector<int>> dims_of_;  // of each scheduled loop, positions in nest.loops()
  std::vector<WorkTerm> terms_;
  std::vector<WorkTerm> priced_;  // the same, in cycles, those of the same loops together
  NestLines lines_;
};

// Operations of one run as kernels do it: as flops_of (nest.h), when equations among guards are
// solved, what a scatter adds goes to its place at once, and operands of a contraction that are
// formulas are computed once, while they are packed.
double operations_of(const Nest& nest);

// KernelModel, analysed and asked at once.
double predict_seconds(const Nest& local, const Machine& machine, int threads);

// Of a group: where it runs as one loop nest, of that; else its nests one by one.
double predict_seconds(const KernelGroup& group, const Machine& machine, int threads);
Dims loops_of(const KernelGroup& group);

// The amounts that this is the price of.
WorkAmounts work_of(const Nest& local, const Machine& machine);

}  // namespace tessera
