#pragma once

#include <vector>

#include "codegen/loop_nest.h"

namespace tessera {

// May an address whose lanes lie apart be read along `loop` instead, a register of its steps for
// each lane, and transposed? Yes where the steps lie side by side, for all lanes inside and at
// places that no data decides lane by lane.
bool lies_along(const LoopNest& nest, const Address& address, int lane, int loop);

// The loop whose steps follow one another most closely in a scheduled stage: the last reduced, free
// or shared one. -1: none, or the lane loop, or the steps of a scan.
int innermost_loop(const LoopNest& nest, const Stage& stage);

// The stage's loads whose lanes lie apart, while the steps of its innermost loop lie side by side.
//
//   y[i] = sum[j](x[i, j]), lanes along i: sixteen rows of sixteen numbers are read and exchanged,
//   instead of a gather for each j
std::vector<int> transposed_loads(const LoopNest& nest, const Stage& stage, int register_bytes);

// The same of what the only stage of a nest stores, along its innermost loop that is not reduced
// and not the lane loop, which must stay a loop:
//
//   y[i, j] = max[k](x[k, j, i]), lanes along i: sixteen vectors wait until they can be stored as
//   sixteen rows along j, instead of going to sixteen lines each
struct TransposedStores {
  int loop = -1;
  std::vector<int> stores;  // of the stage's `inner` where nothing is reduced, else of `outer`
};
TransposedStores transposed_stores(const LoopNest& nest);

}  // namespace tessera
