#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codegen/loop_nest.h"

namespace tessera {

// How a loop nest runs on a GPU. A block holds some points of the shared loops at once, and for
// each of them a team of threads:
//
//   point = points * block + place of the thread's team
//   for each stage:                          a barrier between stages
//     free points, `free_threads` at a time:
//       reduced points, `reduce_threads` at a time: inner stores, accumulate
//       what the team's threads have is combined: shuffles, then shared memory, in a fixed order
//       outer stores, by the team's first thread
//
//   gelu[n]                                 256 points, teams of 1; n by 4 lanes
//   s[row] = sum[col](x[row, col])          1 point, a team of 256; col by 4 lanes
//   s[col] = sum[row](x[row, col])          32 points side by side, teams of 8; col by 4 lanes
//   softmax of rows                         1 point, a team of 256, three stages
//
// Everything follows from how loops step through memory: threads that are neighbours take
// neighbouring vectors of the loop along which most of what is read and written is contiguous.
struct GpuStage {
  int free_threads = 1;  // powers of two; their product is the team
  int reduce_threads = 1;
  bool reduced_inner = true;  // neighbouring threads: neighbouring reduced points

  bool operator==(const GpuStage&) const = default;
};

struct GpuSchedule {
  int points = 256;          // of a block at once
  int team = 1;              // threads of each; points * team is a power of two
  bool points_inner = true;  // neighbouring threads: neighbouring points
  std::vector<GpuStage> stages;
  int64_t blocks = 1;
  size_t point_bytes = 0;    // of scratch in shared memory, for each point
  size_t combine_bytes = 0;  // of shared memory in which threads pass on what they have

  int threads() const { return points * team; }
  size_t shared_bytes() const;
  bool operator==(const GpuSchedule&) const = default;
};

// With its loops ordered, its lanes chosen and its scratch placed.
struct GpuNest {
  LoopNest nest;
  GpuSchedule schedule;
};
GpuNest schedule_for_gpu(LoopNest nest);

// "256 threads: 8 teams of 32; 132 blocks; col=2048 by 4 lanes", for people.
std::string describe(const GpuNest& nest);

// Bytes of the widest access, and of shared memory that a block may have without asking for more.
inline constexpr int64_t kGpuVectorBytes = 16;
inline constexpr size_t kGpuSharedBytes = 48 << 10;
inline constexpr int kGpuWarp = 32;

}  // namespace tessera
