#pragma once

#include "codegen/loop_nest.h"

namespace tessera {

// What a schedule depends on besides the nest.
struct ScheduleTarget {
  int vector_bytes = 64;  // of one vector register
  int workers = 1;        // threads that will share the chunks
};

// Decides the lane loop of the kernel or of each stage, the number of lanes, the order of loops and
// the chunks, by a model of the instructions that each choice needs: a contiguous access costs one
// instruction a vector, any other one a lane. Chunks take at least about 20 microseconds.
void schedule(LoopNest& nest, const ScheduleTarget& target);

// The predicted time of one run on one thread, in seconds.
double predicted_seconds(const LoopNest& nest, const ScheduleTarget& target);

}  // namespace tessera
