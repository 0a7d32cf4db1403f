#pragma once

#include <map>
#include <optional>
#include <vector>

#include "partition/iteration.h"

namespace tessera {

// How many iterations' parts of a tensor are kept, for each loop around it, outermost first: all,
// when something reads earlier ones or the whole; one, when only the iteration itself does, or
// whoever comes after the loop reads the last. What is carried and what it is updated with share
// their memory: an iteration leaves its part where the next one looks for it.
//
//   carried s, s_next over t of 6:  s at t in slot t, s_next in slot t + 1;
//   7 slots, or 2, taken in turn, when nobody reads more than the last of them
struct Stack {
  std::vector<int64_t> slots;
  // Index i of loop `shifted` is in slot (i + first) % slots; of the others, in slot i % slots.
  int shifted = -1;
  int64_t first = 0;
  std::optional<Tensor> inside;  // the tensor whose memory it shares
  // Nobody uses it outside of one iteration of the first `home` loops.
  size_t home = 0;
};

// Of all tensors that loops compute.
std::map<Tensor, Stack> stacks_of(const ShardedProgram& program);

int64_t volume(const Tensor& tensor, const Stack& stack);  // elements that are kept

// Is all that anybody reads of the loop's iterations, `depth` loops from outside, what it carries
// in the end? Then, after its condition has failed, one more iteration gives all that the rest
// would.
bool may_end_early(const LoopStep& loop, size_t depth, const std::map<Tensor, Stack>& stacks);

// A place that moves with the iterations: `offset`, and for each move its slot times its stride.
// Elements.
struct StackMove {
  int loop = 0;       // of those around the reader
  int64_t first = 0;  // added to its index
  int64_t slots = 0;  // 0: as many as there are
  int64_t stride = 0;
};
struct StackPlace {
  int64_t offset = 0;
  std::vector<StackMove> moves;

  // At the iteration with these indices, one for each loop around.
  int64_t at(const std::vector<int64_t>& indices) const;
};
// Where a view begins, counted from the beginning of the memory of the tensor, or of the one that
// it shares.
StackPlace place_of(const View& view, const std::map<Tensor, Stack>& stacks);

}  // namespace tessera
