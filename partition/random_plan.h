#pragma once

#include <cstdint>

#include "partition/plan.h"

namespace tessera {

// A plan that splits as much as it can in some way that the seed picks: about half of what is kept
// is pinned, each to an axis by one of its dims, and nests follow (manual_plan). Legal for every
// program in normal form, and rarely good: to test, and to compare with plans that were chosen. The
// same on every platform.
Plan random_plan(const Program& normal, const Mesh& mesh, uint64_t seed);

}  // namespace tessera
