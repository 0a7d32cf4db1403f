#pragma once

#include "ir/program.h"

namespace tessera {

// The same program without carried tensors: each tensor of a loop becomes one tensor for each
// iteration, and what reads all of them at once reads a tensor that is put together from these.
// What a carried tensor holds in an iteration is what the one before computed, so it needs no
// tensor of its own.
//
//   loop i = 2 carry r = x { r = r * r }   gives   r_next_0 = x * x; r_next_1 = r_next_0 * r_next_0
//
// `normal` is in normal form (normalize.h), and so is the result.
Program unroll(const Program& normal);

}  // namespace tessera
