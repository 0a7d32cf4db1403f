#pragma once

#include <set>
#include <vector>

#include "codegen/blocked_group.h"

namespace tessera {

// Joins kernel groups into blocked ones (blocked_group.h) where a large tensor that one writes and
// others read need then never be in memory as a whole, and that is predicted to be faster: what is
// saved in memory traffic against what contractions lose by working on blocks.
//
//   z = sum[e](q * k)    w = exp(z - max[t](z))    o = sum[t](w * v)      three groups become one
//
// `groups` are in an order in which each reads only what earlier ones write, and so is the result.
std::vector<KernelGroup> join_groups(std::vector<KernelGroup> groups,
                                     const std::set<Tensor>& needed_outside,
                                     const BlockLimits& limits = {});

}  // namespace tessera
