#pragma once

#include "codegen/contraction_schedule.h"

namespace tessera {

// 1e9 f32 operations a second that one core reaches with multiply-adds in registers, a multiply-add
// counting as two: a loop over independent accumulators, compiled for this host and timed for about
// 20 ms. Throws InternalError when the host cannot be compiled for.
double measure_peak_gflops(const VectorTarget& target);

}  // namespace tessera
