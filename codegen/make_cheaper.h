#pragma once

#include "codegen/schedule.h"

namespace tessera {

// Gives a nest that has lanes and an order of loops others, where the fitted prices
// (work_prices.h) say that they are clearly cheaper: with all that the nest does, and with the
// lines of memory that it brings into the caches. Each loop is tried as the lane loop, also with
// short reductions written out (written_out.h); from the cheapest of these, loops that follow one
// another are exchanged as long as that helps.
//
//   y[a, b] = sqrt(x[b, at[a]])   lanes along b, a outside: each element of x is a line of its own;
//                                 b outside: the lines of a row stay in the first cache
void make_cheaper(LoopNest& nest, const ScheduleTarget& target);

}  // namespace tessera
