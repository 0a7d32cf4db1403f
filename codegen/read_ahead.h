#pragma once

#include <cstdint>
#include <vector>

#include "codegen/loop_nest.h"

namespace tessera {

// What the last stage of a nest fetches into caches while it computes: what the first ones read of
// memory at the next point of the shared loops, each as an address at the loops of the last stage.
// A nest of several stages reads memory in the first of them only, and while the others compute,
// nothing would come from memory. Nothing for nests of one stage, for what caches hold, and for
// points that are too large for a cache; `l2_bytes` are those of the second-level cache.
//
//   m = max[k](x); e = exp(x - m); p = e / sum[k](e)   over rows b: while p of a row is computed,
//   the next row of x, at [b + 1, k], comes
std::vector<Address> read_ahead(const LoopNest& nest, int64_t l2_bytes);

}  // namespace tessera
