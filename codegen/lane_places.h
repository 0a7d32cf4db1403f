#pragma once

#include <optional>
#include <vector>

#include "codegen/loop_nest.h"

namespace tessera {

// A node that divides the lanes' indices: `index` // `by`, or its rest. Blocks of lanes begin at a
// multiple of `by`, so within each block the values are the same but for what the first lane has.
struct LaneQuotient {
  LoopAffine index;
  int64_t by = 1;
  bool rest = false;
};
std::optional<LaneQuotient> lane_quotient(const LoopNest& nest, int node, int lane, int lanes);

// How far, in elements, each lane's place lies from that of the first lane, where that is the same
// for every block of lanes; nothing where data decides.
//
//   x[i: 2*o]      0 2 4 6 …       x[i: 9 - o]    0 -1 -2 -3 …
//   x[i: o // 2]   0 0 1 1 …       grid[r: o // 4, c: o % 4] of rows of 8     0 1 2 3 8 9 …
std::optional<std::vector<int64_t>> lane_places(const LoopNest& nest, const Address& address,
                                                int lane, int lanes);

// Registers of `lanes` elements that hold the places; they are loaded and permuted where they are
// few (kMostNearRegisters).
int64_t registers_of(const std::vector<int64_t>& places, int lanes);
inline constexpr int64_t kMostNearRegisters = 4;

}  // namespace tessera
