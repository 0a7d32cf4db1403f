#pragma once

#include "ir/program.h"

namespace tessera {

// The same program with the dims of its definitions in the order in which they are used: the last
// one, along which a tensor is contiguous, is one along which the formulas that compute and read it
// go through their other tensors contiguously, as far as inputs, parameters and wanted outputs
// decide that. So it does not matter in which order dims are declared.
//
//   dim a = 64, b = 512            y is over a, b as it is declared, but x lies along a
//   input x[b, a]
//   y = sqrt(x)                    y[b, a]
//   z = sum[b](y * y)
//
// Where the uses do not decide, the order stays. What updates leave keeps the order of its target.
// `normal` is in normal form (normalize.h), and so is the result; whether one is another is told by
// `changed`.
Program arrange_dims(const Program& normal, bool& changed);

}  // namespace tessera
