#pragma once

#include <vector>

#include "codegen/loop_nest.h"

namespace tessera {

// A lowered nest as the launches that it takes: itself, where a block can take a point of the
// shared loops through all stages and there are enough points for all blocks; else a nest for each
// stage, whose free loops become shared ones. What stages pass to each other then lies in
// workspaces, which are further arguments of all of these nests.
//
//   mean = sum[row](x) / rows; out = x - mean      shared: col, few: two launches
struct StageLaunches {
  std::vector<LoopNest> nests;
  std::vector<int64_t> workspaces;  // bytes
};
StageLaunches split_stages(const LoopNest& nest);

// Points of shared loops that keep a GPU busy when each has a block.
inline constexpr int64_t kEnoughTeams = 512;
// Of what stages pass to each other at a point, in shared memory.
inline constexpr int64_t kMostPointBytes = 40 << 10;

}  // namespace tessera
