#pragma once

#include <vector>

#include "ir/program.h"

namespace tessera {

// The tensors of a program in normal form, in an order in which definitions stand as soon as they
// set free at least as much memory as they take; else as they stand. Each still reads earlier ones
// only. Of programs with loops, the order that they have.
//
//   d_h2 = …, d_h1 = …, d_w2 = sum[b](h1 * d_h2), w2_next, d_w1 = …, w1_next
//   ->  d_h2, d_h1, d_w2, w2_next, …   d_h2 is not needed after d_w2, so that stands before what
//                                      only adds to what is held
std::vector<Tensor> early_order(const Program& normal);

}  // namespace tessera
