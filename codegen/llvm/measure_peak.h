#pragma once

#include "codegen/cpu_level.h"

namespace tessera {

// 1e9 f32 operations a second that one core reaches with multiply-adds in registers, a multiply-add
// counting as two: a loop over independent accumulators, compiled for the level and timed for about
// 20 ms. Throws InternalError when it cannot be compiled for.
double measure_peak_gflops(CpuLevel level);

}  // namespace tessera
