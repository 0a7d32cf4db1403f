#pragma once

#include <span>
#include <vector>

#include "codegen/loop_nest.h"
#include "codegen/vector_target.h"
#include "codegen/work.h"

namespace tessera {

// `count` times of a kind of work at each step of some loops of a nest: the product of their
// extents, `lane` counting in pieces of `width`.
struct WorkTerm {
  WorkKind work = WorkKind::step;
  double count = 1;
  uint64_t loops = 0;  // bit i: loop i; without `lane`
  int lane = -1;
  int64_t width = 1;

  // With other extents than those of the nest.
  double steps(std::span<const double> extents) const;
};

// What one run of a scheduled nest does besides waiting for memory: a node is evaluated wherever
// the innermost loop that it depends on makes a step, once for each register of lanes where it
// depends on the lane loop.
//
//   y[i] = sum[j](x[i, j] * w[j]), 64 lanes of f32 along j = 1000, registers of 16
//     load      2 for i, j in pieces of 16
//     simple    2 for i, j in pieces of 16
//     finish    1 for i,   fold 1 for i,   …
std::vector<WorkTerm> work_of(const LoopNest& nest, const VectorTarget& target);

}  // namespace tessera
