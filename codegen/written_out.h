#pragma once

#include <optional>

#include "codegen/loop_nest.h"

namespace tessera {

// A nest of one stage that reduces over few steps, with these written out one after the other: a
// map, whose other loops may then run innermost. Nothing where there are too many steps, or for
// what is kept in another type while it is reduced.
//
//   y[i, j] = max[r](x[r, i, j] - z[r, j, i]), r = 3
//       becomes   max(max(x[0, i, j] - z[0, j, i], x[1, …] - …), x[2, …] - …)
//   and z, which lies across the lanes j, can be read along i and transposed
std::optional<LoopNest> written_out(const LoopNest& nest);

}  // namespace tessera
