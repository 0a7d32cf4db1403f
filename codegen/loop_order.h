#pragma once

#include "codegen/loop_nest.h"

namespace tessera {

// Outermost: the loops that take the longest steps through memory at these addresses.
void order_by_steps(const LoopNest& nest, const std::vector<const Address*>& addresses,
                    std::vector<int>& loops);

// Orders the loops of a nest whose lane loops are chosen, as memory lies: outermost those that take
// the longest steps, innermost the lanes, or inside them a loop along which something lies that
// does not lie along the lanes.
//
//   y[b, a] = x[a, b] + z[b, a], lanes along a      loops a outside, then b: lines of x are used up
void order_loops(LoopNest& nest);

}  // namespace tessera
