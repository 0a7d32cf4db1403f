#pragma once

#include "codegen/vector_target.h"
#include "codegen/work.h"

namespace tessera {

// What each kind of work costs with vectors of that width: cycles of a vector multiply-add, and for
// lines the time in which a triad counts 64 bytes. Fitted to measured kernels by
// bench/random_nests/fit_prices.py, which writes the table.
const WorkAmounts& prices_of(const VectorTarget& target);

// What a kernel takes that computes and moves memory for so long: mostly at once.
double computing_and_moving(double computing, double moving);

}  // namespace tessera
