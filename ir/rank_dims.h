#pragma once

#include "ir/program.h"

namespace tessera {

// The same program with its dims made anew, in the order in which they lie in memory: of two dims,
// the first is the one that lies outside the other in more elements of inputs, parameters, states
// and outputs. Where these say nothing, the order in which the program makes them stays, and dims
// that they do not have come last. So what comes later may decide by the order of dims, and does
// not decide by how they were declared.
//
//   dim a = 64, b = 512, c = 8       becomes     dim b = 512, a = 64, c = 8
//   input x[b, a, c]                             input x[b, a, c]
//   y = sqrt(x)                                  y[b, a, c] = sqrt(x)
//
// A definition that states an order other than that of its dims keeps it. The program itself where
// its dims are in that order already.
Program rank_dims(const Program& program);

}  // namespace tessera
