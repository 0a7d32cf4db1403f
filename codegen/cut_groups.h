#pragma once

#include <vector>

#include "codegen/kernel_group.h"
#include "codegen/vector_target.h"

namespace tessera {

// Cuts kernel groups that run as one loop nest in two, and these again, where the parts are
// predicted to be clearly faster (nest_price.h): nests under common loops save memory traffic, but
// may force lanes or an order of loops on one another that only one of them is good with.
//
//   m = sum[k](x[i, k] * g[k]);  y[i, j] = f(m, z[i, j]);  s[j] = sum[i](y)
//
//   under one loop over i, with i in the lanes, z would be read with a stride: m alone, then the
//   rest
//
// `groups` are in an order in which each reads only what earlier ones write, and so is the result.
std::vector<KernelGroup> cut_groups(const std::vector<KernelGroup>& groups,
                                    const VectorTarget& target);

}  // namespace tessera
