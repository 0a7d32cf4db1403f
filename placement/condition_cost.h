#pragma once

#include "partition/scopes.h"
#include "placement/cost_model.h"

namespace tessera {

// What a loop's condition costs beside the nest that computes it: after each iteration, the ranks
// find out whether it holds anywhere.
//
//   going[step, y, x: data] of 50 x 64 x 96 on data=2:  50 times any[y, x] of 64 x 48, and 50
//   all-reduces of a byte
struct ConditionCost {
  double compute = 0;  // seconds of all iterations
  double communicate = 0;
};

// The conditions of the program's loops, which is in the form of stack_loops.h.
std::vector<Tensor> conditions_of(const Program& stacked, const Scopes& scopes);

// Of one that its nest leaves as `made`.
ConditionCost condition_cost(const Tensor& condition, const Sharding& made, const Scopes& scopes,
                             const Mesh& mesh, const KernelSeconds& kernels, const CommCost& comm);

}  // namespace tessera
