#pragma once

#include <set>
#include <vector>

#include "ir/nest.h"

namespace tessera {

// Computes maps inside their consumers, and drops them, where that costs less than storing and
// loading their values: maps that read at most one tensor and cost next to nothing, and maps each
// of whose values is used once. A map over the result of a contraction is kept: it will be that
// contraction's epilogue.
//
//   e = x - m; s = sum[k](exp(e))      becomes      s = sum[k](exp(x - m))
std::vector<Nest> inline_maps(const std::vector<Nest>& nests,
                              const std::set<Tensor>& needed_outside);

}  // namespace tessera
