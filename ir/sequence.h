#pragma once

#include <variant>
#include <vector>

#include "ir/program.h"

namespace tessera {

// The order in which the tensors of a program are computed. Where carried tensors make a cycle, the
// tensors on it form a loop: all of them are computed for one index of `over`, then for the next.
// What only feeds a cycle, or only reads from it, stays outside; but what a condition holds is in
// one loop with it (loop_condition.h), unless something between the two needs all iterations.
//
//   h over t carried from h_next; h_next = tanh(x + sum[k](w * h)); y = sum[t](h_next)
//   gives   x …; loop over t {h, h_next_1, h_next}; y
//
// Found by taking strongly connected components apart along one dim after the other (Karp, Miller
// and Winograd, "The organization of computations for uniform recurrence equations", 1967).
struct SequenceStep;

struct SequenceLoop {
  Dim over;
  bool descending = false;
  std::vector<SequenceStep> body;
};

struct SequenceStep {
  std::variant<Tensor, SequenceLoop> what;
};

using Sequence = std::vector<SequenceStep>;

// Throws UserError, with the tensor's line, for a tensor that depends on itself other than through
// earlier iterations.
Sequence sequence_of(const Program& program);

// The dims iterated around each tensor that stands in a loop, outermost first.
std::map<Tensor, Dims> loops_around(const Sequence& sequence);

// Every tensor, in order.
std::vector<Tensor> tensors_of(const Sequence& sequence);

// Definitions and carried tensors, in program order: those that have a formula.
std::vector<Tensor> computed_tensors(const Program& program);

}  // namespace tessera
