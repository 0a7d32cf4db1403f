#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codegen/contraction.h"
#include "codegen/kernel_group.h"

namespace tessera {

// A kernel group that runs block by block: a block of some dims is walked through all its parts
// before the next one begins, so that what parts pass to each other stays in caches and is never
// as large as its tensor. Parts are kernels of their own, contractions among them.
//
//   z = sum[e](q * k); w = exp(z - max[t](z)); o = sum[t](w * v)      with h = 8, s = t = 4096
//
//   for each h, for each 32 of s:                    walks h by 1, s by 32
//     part 1: z[32, t] = sum[e](q * k)               a contraction
//     part 2: top[32] = max[t](z); w[32, t] = exp(z - top)
//     part 3: o[32, e] = sum[t](w * v)               a contraction
//
// A dim that some nest reduces is walked in order, and each block adds to what the ones before it
// left: dk[t, e] = sum[s](dz * q) above.

// One loop over blocks: `block` indices of `dim` at a time. The last block may have fewer.
struct BlockWalk {
  Dim dim;
  int64_t block = 1;
  bool serial = false;  // some nest reduces the dim

  int64_t trips() const { return (dim.extent() + block - 1) / block; }
  int64_t rest() const { return dim.extent() % block; }  // size of the last block; 0: a whole one
};

// What a part reads or writes: a buffer, seen from the walked indices on.
struct BlockArgument {
  enum class Kind : uint8_t {
    argument,  // of the group; number: its place in inputs, then outputs
    scratch,   // number: of BlockedGroup::scratch
    index      // an i32: how many indices of the walk of that number lie before the block
  };
  Kind kind = Kind::argument;
  int number = 0;
  std::vector<int64_t> steps;  // elements to advance for one index of each walk
};

struct BlockPart {
  KernelGroup group;                     // over views
  std::vector<BlockArgument> arguments;  // in the order of the group's inputs, then outputs
  std::vector<int> at_start_of;          // walks: runs only where these are at their first block
};

// The parts of one block, all of whose walks have given sizes.
struct BlockVariant {
  bool rest = false;  // the last walk's last block is a smaller one, and this is for it
  std::vector<BlockPart> parts;
};

struct BlockedGroup {
  std::vector<BlockWalk> walks;  // outermost first, the serial ones last; only one has a rest
  std::vector<BlockVariant> variants;
  std::vector<int64_t> scratch;  // bytes of what parts pass to each other
  int inputs = 0;                // of the group

  int64_t points() const;  // of the walks that are not serial: each may run on a thread of its own
};

// When groups run in blocks, and how large these are. Sizes in bytes.
struct BlockLimits {
  double least = 8 << 20;      // of a tensor for whose sake groups are joined
  double room = 5 << 18;       // for what the parts of a block pass to each other
  double most_room = 8 << 20;  // where blocks would otherwise be too many to add up
  bool always = false;         // whether it pays or not, and contractions of any size: for tests
};

// How the dims of a group are walked; nothing when it is a contraction with an epilogue or runs
// well as one loop nest, when nothing large is passed between nests, or when no dims can be walked.
// A dim can where every nest has it as a loop, reads what others write at its very index, and all
// else at affine indices of it that need no guard.
std::optional<std::vector<BlockWalk>> plan_walks(const KernelGroup& group,
                                                 const BlockLimits& limits = {});

// Does the index never leave its dim, as written or by its range?
bool stays_inside(const Read& read, size_t i);

// Are its nests more than a contraction with an epilogue, or one loop nest? Only then may there be
// walks, whatever the limits (but for tests' `always`).
bool may_run_in_blocks(const KernelGroup& group);

// Does the group run as one loop nest: not in blocks, nor as tiles of a contraction?
bool runs_as_loop_nest(const KernelGroup& group);

// The walks as chosen: of the dims that plan_walks would try, in its order, the first ones, with
// these blocks.
struct BlockChoice {
  std::vector<int64_t> blocks;

  bool operator==(const BlockChoice&) const = default;
};
BlockChoice choice_of(const std::vector<BlockWalk>& walks);
// Nothing when the choice does not fit the group: more blocks than dims, blocks that are larger
// than 1 but the last, or that are too many to add up.
std::optional<std::vector<BlockWalk>> plan_walks(const KernelGroup& group,
                                                 const BlockLimits& limits,
                                                 const BlockChoice& choice);

// The group block by block. `walks` as from plan_walks.
BlockedGroup make_blocks(const KernelGroup& group, const std::vector<BlockWalk>& walks);

// The innermost walk on which an operand of a part depends; -1: none, it is the same in all blocks;
// the last one where parts pass it to each other.
int last_walk_of(const BlockPart& part, const Expr& operand, const BlockedGroup& group);

// What a contraction may assume that is the part of a group; `repeats`: its block is the usual one.
void set_stays(ContractionGroup& contraction, const BlockedGroup& group, const BlockPart& part,
               bool repeats);

// "h by 1, s by 32", for people.
std::string describe(const std::vector<BlockWalk>& walks);

}  // namespace tessera
