#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ir/nest.h"
#include "partition/reshard.h"

namespace tessera {

// A nest over local dims: the part of `origin` that this rank computes. Its body reads local
// tensors by local indices, with offsets written out, so it is an ordinary nest: nothing that runs
// it needs to know about meshes. Local dims of one split share their Dim within a ShardedProgram;
// a dim that is not split is the global Dim itself.
struct ComputeStep {
  Nest nest;
  std::string origin;  // the definition it is a part of; of a copy, the tensor that it slices
};

// A part of a dim that a member of a group sends or receives, or keeps itself.
struct Piece {
  int member = 0;  // place in the group
  Interval range;

  bool operator==(const Piece&) const = default;
};

// One collective of one tensor among the ranks of `group`. Tensors are local; `output` has the dims
// of `input` but for those that the step joins or splits, at the same positions. Blocks are
// intervals along one dim of a local tensor, one per member, in the order of the group, back to
// back; some may be empty: gather_blocks along gather_dim of output, scatter_blocks along
// scatter_dim of input.
//
//   kind            gather_blocks                    scatter_blocks
//   all_gather      what each member contributes     -
//   reduce_scatter  -                                what each member keeps
//   all_reduce      -                                -
//   all_to_all      what comes from each member      what goes to each member
//
// A halo or a window is a list of pieces instead, by member: `receives` tile gather_dim of output,
// `sends` are parts of scatter_dim of input; what a member sends to another is, in this order, what
// that one receives.
//
//   blocks of 4 of a ring of 12, each rank wants one more on both sides; rank 0 holds 0 … 3:
//   sends {0, 0 … 3}, {1, 3 … 3}, {2, 0 … 0}    receives {0, 1 … 4}, {1, 5 … 5}, {2, 0 … 0}
struct CommStep {
  CommKind kind = CommKind::all_reduce;
  Axes axes;
  std::vector<int> group;  // ranks; members count in this order
  int me = 0;              // where this rank stands in it
  Tensor input;
  Tensor output;
  ReduceOp op = ReduceOp::sum;
  int gather_dim = -1;
  int scatter_dim = -1;
  std::vector<Interval> gather_blocks;
  std::vector<Interval> scatter_blocks;
  std::vector<Piece> sends;
  std::vector<Piece> receives;
  int64_t bytes = 0;   // that this rank moves in one run, as in ReshardStep
  std::string origin;  // the tensor of the program that it moves
};

// `carried` holds `initial` in the first iteration, and then what the one before left in `next`.
// All are local; `initial` has no dim that the loop iterates.
struct Carry {
  Tensor carried;
  Tensor initial;
  Tensor next;
};

struct Step;

// Steps that run once for each index of `over`, from 0 upwards or from the end down. What they
// compute has `over` among its first dims, one for each loop around, outermost first; a run
// computes the part at its index, and a collective moves that part.
//
//   loop over t {s_next[t, k] = tanh(s + x)}     carries s from s_first by s_next
struct LoopStep {
  Dim over;
  bool descending = false;
  std::vector<Carry> carries;
  std::vector<Step> body;
  // Where this is false after an iteration, on all ranks alike, what is carried stays as it is.
  std::optional<Tensor> while_holds;
};

struct Step : std::variant<ComputeStep, CommStep, LoopStep> {
  using variant::variant;
};

constexpr bool has_pieces(CommKind kind) {
  return kind == CommKind::halo || kind == CommKind::window;
}

// What the step computes; of a loop, what its body does.
std::vector<Tensor> outputs_of(const Step& step);
// What it reads and does not compute itself.
std::vector<Tensor> inputs_of(const Step& step);

// Calls `body` for each step that is no loop, those inside loops too, in order, with how often it
// runs.
void each_step(const std::vector<Step>& steps,
               const std::function<void(const Step& step, int64_t times)>& body);

// A tensor at the border: what this rank holds of it.
struct Border {
  std::string name;  // of the tensor, or of the output
  Tensor global;
  Tensor local;
  Sharding sharding;
  Box box;  // the part of `global`, by its dims in declared order
  // Of the ranks that hold this same box, is this the first? Writers of files let only that one
  // write.
  bool first_copy = true;
  Dims order;  // of an output: the global dims in exported order; else global.dims()
};

// After the step, `target` holds `value`; both have the same local dims in the same order.
struct LocalUpdate {
  Tensor target;
  Tensor value;
};

// What one rank computes in one step: local extents and explicit communication. The steps of all
// ranks correspond one to one, in the same order; only extents, offsets and blocks differ.
struct ShardedProgram {
  std::string name;
  Mesh mesh;
  int rank = 0;
  std::vector<Border> inputs;
  std::vector<Border> stored;  // parameters and states
  std::vector<Step> steps;
  std::vector<LocalUpdate> updates;
  std::vector<Border> outputs;
};

// Throws InternalError unless every tensor is defined once and before use, extents agree, and
// blocks tile their dims.
void verify(const ShardedProgram& program);
// Throws InternalError unless both have the same steps in the same order: kinds, names, types and
// axes. Ranks that pass this cannot wait for one another in different collectives.
void check_same_structure(const ShardedProgram& a, const ShardedProgram& b);
// Sixteen hexadecimal digits of what check_same_structure compares: equal on all ranks.
std::string structure_hash(const ShardedProgram& program);

std::string print(const ShardedProgram& program);

struct Traffic {
  int64_t count = 0;  // collectives
  int64_t bytes = 0;  // that this rank moves
  bool operator==(const Traffic&) const = default;
};
// By name_of(kind): a deterministic measure of communication.
std::map<std::string, Traffic> bytes_by_collective(const ShardedProgram& program);

}  // namespace tessera
