#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codegen/contraction.h"
#include "codegen/loop_nest.h"

namespace tessera {

// How a contraction (contraction.h) runs on a GPU. Each block makes a tile of the result:
//
//   for each `depth` of k:
//     all threads compute their share of the tile's rows of a and columns of b, into shared memory;
//     meanwhile what was there before is multiplied:
//     for each step of k: every thread combines its rows with its columns, in registers
//   scale and epilogue, on what is in registers; outputs
//
// One tile in shared memory is read while the next one is computed. m, n and k are flattened: a
// number below 128, say, of the rows of a tile is split into the indices of all dims of m.
struct GpuTileShape {
  int rows = 128, columns = 128;  // of a block
  int depth = 16;                 // of k, in shared memory at once
  int thread_rows = 8, thread_columns = 8;

  int threads() const { return rows / thread_rows * (columns / thread_columns); }
  bool operator==(const GpuTileShape&) const = default;
};

// A formula at points of two roles: its loops, and where its value is. Loops that go together are
// one (loop_nest.h), and each knows its dims.
struct TileFormula {
  LoopNest nest;
  int node = -1;               // of an operand: its value
  std::vector<int> arguments;  // by the nest's: the group's, inputs first
};

// How the elements of an operand's tile are shared among the threads: vectors of `lanes` along k
// or along the other role.
struct TileLoad {
  bool along_k = true;
  int lanes = 1;

  bool operator==(const TileLoad&) const = default;
};

struct GpuTile {
  ContractionGroup group;  // its n holds the dim in which the result is contiguous
  Dims batch, m, n, k;     // outermost first
  GpuTileShape shape;
  TileFormula a, b;
  TileFormula pair;           // where the contraction has one: over two loads without loops
  TileFormula result;         // scale and epilogue, over loads of `sum`
  Tensor sum;                 // what the loop over k leaves
  int left = -1, right = -1;  // nodes of `pair` that stand for the operands
  TileLoad load_a = {}, load_b = {};
  int result_lanes = 1;  // along n

  int64_t blocks() const;
  int64_t row_tiles() const;
  int64_t column_tiles() const;
  size_t shared_bytes() const;  // of both copies of both operands' tiles
};

// The group as tiles, or nothing where it is no contraction that is worth it, or not of floats and
// integers of 4 or 8 bytes.
std::optional<GpuTile> plan_gpu_tile(const KernelGroup& group);

// The tile that a contraction of these sizes takes: as large as keeps all multiprocessors at work.
GpuTileShape choose_gpu_tile(int64_t batch, int64_t m, int64_t n, int element_bytes);

// "tiles of 128 x 128, 16 of k at once; 8 x 8 a thread; a by 4 along k, b by 4 along n", for
// people.
std::string describe(const GpuTile& tile);

// Elements behind each row of a tile in shared memory, so that rows begin in different banks.
inline constexpr int kTilePad = 4;

}  // namespace tessera
