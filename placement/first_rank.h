#pragma once

#include "ir/nest.h"
#include "partition/scopes.h"

namespace tessera {

// The part of a nest that the first rank computes, which has the largest blocks along every axis:
// what a cost model is asked about.
//
//   h[batch=256, hidden=512] = sum[pixel](image * w1) on data=2, {data: batch}
//   ->  h[batch.data=128, hidden=512] = sum[pixel](image * w1)
// Of a nest in loops, what one iteration computes.
Nest first_rank_nest(const NestRules& rules, const Assignment& assignment, const Mesh& mesh,
                     const Scopes& scopes);

// All that its cost depends on: the local extents of the loops and of the operands.
std::vector<int64_t> first_rank_extents(const NestRules& rules, const Assignment& assignment,
                                        const Mesh& mesh);

}  // namespace tessera
