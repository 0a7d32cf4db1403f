#pragma once

#include <vector>

#include "codegen/loop_nest.h"

namespace tessera {

// For each node: does it hold what a stage has computed, or an element of what one writes?
//
//   m = max[k](x); e = exp(x - m)      x does not; m, x - m and e do
std::vector<bool> depends_on_stage(const LoopNest& nest);

}  // namespace tessera
