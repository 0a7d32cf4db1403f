#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "codegen/contraction_layout.h"
#include "codegen/narrow_product.h"
#include "codegen/vector_target.h"

namespace tessera {

// How an operand reaches the register tile.
enum class Feed : uint8_t {
  packed,  // copied to a panel first, in the order in which tiles read it
  direct   // read where it lies; if it is a padded a, by the tiles whose rows nowhere meet the pad,
           // for the others it is packed
};

// The structure of a contraction's code: register tile, cache blocks, chunks.
//
//   for each chunk (batch, n block, m chunk):
//     pack b of the n block, all of k, unless the chunk before it did
//     for each k block:
//       if there is one m chunk only: pack b of (n block, k block) now, while caches have room
//       for each m block of the chunk:
//         pack a of (m block, k block)
//         for each panel of n, for each panel of m:  tile += a rows x b vectors
//         on the last k block: epilogue, store
//
// Where the result's innermost dim is a batch dim, y[i, j, c] = sum[k](a[i, k, c] * b[j, k, c]),
// the lanes of vectors may be batches: then a place in a panel holds one element of each, and a
// tile is rows x vectors places.
struct ContractionSchedule {
  int rows = 1;                                   // of the tile, in m
  int vectors = 1;                                // of the tile, in n
  int lanes = 1;                                  // elements of a vector
  bool batched = false;                           // its lanes are neighbouring batches, not columns
  NarrowProduct product = {};                     // groups of k side by side in words, if narrow
  int64_t m_block = 1, n_block = 1, k_block = 1;  // multiples of rows, a panel's columns, a group
  int64_t m_chunk = 1;                            // a multiple of m_block
  Feed a = Feed::packed, b = Feed::packed;
  bool keeps_b = false;     // packed whole, and left as it is for the next call
  bool b_by_block = false;  // packed a block of k at a time
  bool fetches_a = false;   // where it is direct: the panel of rows that is next, which lies behind
  bool fetches_b = false;   // where it is direct: what is read some steps later
  bool skips_pads = false;  // runs of k for which a panel of b is pad are left out, if a is finite
  int64_t chunks = 0;
  double cycles = 0;  // estimated for the whole, per vector multiply-add of one unit; see .cpp

  // Of n, in a vector and in the tile.
  int64_t n_lanes() const { return batched ? 1 : lanes; }
  int64_t columns() const { return vectors * n_lanes(); }
  // Elements that stand in one place of a panel or of the sums, one for each batch.
  int64_t width() const { return batched ? lanes : 1; }
  // Blocks of batches that are computed together.
  int64_t batch_blocks(const IndexLevels& batch) const;
};

// A contraction with everything decided: which side is m, the order of loops, the blocks.
struct ContractionPlan {
  ContractionGroup group;
  ContractionLayout layout;
  ContractionSchedule schedule;
  bool swapped = false;  // m and n were exchanged
};

// What a schedule is made from; the rest of it follows.
struct TileChoice {
  bool swapped = false;
  int rows = 1, vectors = 1;
  bool batched = false;
  int64_t m_block = 1, n_block = 1, k_block = 1;
  Feed a = Feed::packed, b = Feed::packed;

  bool operator==(const TileChoice&) const = default;
};
TileChoice choice_of(const ContractionPlan& plan);

// The schedule that the model finds best for the host, trying both sides as m. Microseconds.
ContractionPlan plan_contraction(const ContractionGroup& group, const VectorTarget& target);

// Every tile that fits the registers, with the blocks that the model gives it, fastest predicted
// first. plan_contraction takes the first of them.
std::vector<TileChoice> tiles_of(const ContractionGroup& group, const VectorTarget& target);

// The schedule chosen; nothing when the choice does not fit the group or the host: too many
// registers, blocks that are no multiples of the tile, an operand in place that has to be packed.
std::optional<ContractionPlan> plan_contraction(const ContractionGroup& group,
                                                const VectorTarget& target,
                                                const TileChoice& choice);

// The schedule for given loops, for tests and for tuning: `rows` x `vectors` is used as it is.
ContractionSchedule make_schedule(const ContractionGroup& group, const ContractionLayout& layout,
                                  const VectorTarget& target, int rows, int vectors,
                                  bool batched = false);
// May the lanes of vectors be batches?
bool may_be_batched(const ContractionGroup& group, const ContractionLayout& layout,
                    const VectorTarget& target);

// The read of affine indices that an operand is, padded or not, or null. Of a narrow product the
// operand is its conversion, and what lies in memory is what words hold.
const Read* affine_read(const Expr& operand, const NarrowProduct& product = {});
// The same where it leaves the tensor nowhere, or null.
const Read* simple_read(const Expr& operand, const NarrowProduct& product = {});
std::optional<Affine> simple_address(const Expr& operand, const NarrowProduct& product = {});
// The address of an operand that is a read, or a conversion of one: whole vectors are packed.
std::optional<Affine> packed_address(const Expr& operand);

// This many sums of k blocks are added one after the other before it matters.
constexpr int64_t kPlainBlocks = 16;

// The edges of an a that is read where it lies.
std::vector<PadEdge> edges_of(const ContractionPlan& plan);

}  // namespace tessera
