#pragma once

#include "codegen/loop_nest.h"
#include "codegen/vector_target.h"

namespace tessera {

// What one run of a scheduled nest takes on one thread, in cycles of a vector multiply-add: what it
// does (nest_work.h) and the lines that it brings into caches (nest_lines.h), at the fitted prices.
// By usual figures of memory and not this machine's measured ones, which change from run to run, as
// kernels must not.
double nest_price(const LoopNest& nest, const VectorTarget& target);

}  // namespace tessera
