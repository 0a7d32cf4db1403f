#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codegen/contraction.h"
#include "codegen/gpu/gpu_target.h"
#include "codegen/gpu/shared_tile.h"
#include "codegen/loop_nest.h"
#include "codegen/narrow_product.h"

namespace tessera {

// How a contraction (contraction.h) runs on a GPU. Each block makes a tile of the result:
//
//   for each `depth` of k:
//     all threads compute their share of the tile's rows of a and columns of b, into shared memory,
//     or begin to copy what lies in global memory as it shall lie there, `stages` - 1 steps ahead;
//     meanwhile what was there before is multiplied:
//     for each step of k: every part of the tile adds its rows times its columns, in registers
//   scale and epilogue, on what is in registers; outputs
//
// A part belongs to one thread, which adds product by product, or to the 32 of a warp: then units
// for matrices multiply 16 x 8 of it by 32 bytes of k at once (`mma`), and read their operands from
// shared memory (`ldmatrix`).
//
// m, n and k are flattened: a number below 128, say, of the rows of a tile is split into the
// indices of all dims of m.
struct GpuTileShape {
  int rows = 128, columns = 128;  // of a block
  int depth = 16;                 // of k, in shared memory at once
  int part_rows = 8, part_columns = 8;
  int part_threads = 1;
  int stages = 2;  // tiles in shared memory, of which one is read

  int parts() const { return rows / part_rows * (columns / part_columns); }
  int threads() const { return parts() * part_threads; }
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
// or along the other role. Where the formula is but a load of 16 bytes at once, with zeros for pad,
// and they lie in shared memory as they do in global memory, `copied` is its node.
struct TileLoad {
  bool along_k = true;
  int lanes = 1;
  int copied = -1;

  bool operator==(const TileLoad&) const = default;
};

struct GpuTile {
  ContractionGroup group;  // its n holds the dim in which the result is contiguous
  Dims batch, m, n, k;     // outermost first
  GpuTileShape shape;
  // What units for matrices multiply; nothing: each thread multiplies by itself.
  std::optional<NarrowTypes> narrow;
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
  SharedTile shared_a() const;
  SharedTile shared_b() const;
  size_t stage_bytes() const;   // of one tile of each operand
  size_t shared_bytes() const;  // of all of them
};

// The group as tiles, or nothing where it is no contraction that is worth it, or not of floats and
// integers of 4 or 8 bytes.
std::optional<GpuTile> plan_gpu_tile(const KernelGroup& group, const GpuTarget& target);

// The tile that a contraction takes whose k is cut into so many parts: as large as keeps all
// multiprocessors at work.
GpuTileShape choose_gpu_tile(const Contraction& contraction, int64_t parts,
                             const GpuTarget& target);

// Products that units for matrices make in the time of one f32 multiply-add, or 1.
double products_at_once(const std::optional<NarrowTypes>& narrow);

// "8 tiles of 128 x 128, 16 of k at once; 8 x 8 a thread; a by 4 along k, b by 4 along n; result by
// 4", for people.
std::string describe(const GpuTile& tile);

}  // namespace tessera
