#pragma once

#include "codegen/loop_choice.h"
#include "codegen/loop_nest.h"
#include "codegen/vector_target.h"

namespace tessera {

// What a schedule depends on besides the nest.
struct ScheduleTarget {
  VectorTarget vectors;
  int workers = 1;  // threads that will share the chunks
};

// Decides the lane loop of the kernel or of each stage, the number of lanes, the order of loops and
// the chunks: by a model of the instructions that each choice needs, where a contiguous access
// costs one instruction a vector and any other one a lane; and what does not fit the first cache
// then by the fitted prices (make_cheaper.h), which know of lines. Chunks take at least about 20
// microseconds.
void schedule(LoopNest& nest, const ScheduleTarget& target);

// Schedules as chosen. False when the choice does not fit the nest, whose schedule is then
// undefined: loops that are not its own, lanes that are no power of two or that would add to the
// same place.
bool schedule(LoopNest& nest, const ScheduleTarget& target, const LoopChoice& choice);

// The predicted time of one run on one thread, in seconds.
double predicted_seconds(const LoopNest& nest, const ScheduleTarget& target);

}  // namespace tessera
