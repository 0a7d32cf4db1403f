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

// The order of loops (outermost first) and the vectors of a stage.
struct StageChoice {
  std::vector<int> free, reduced;
  int lane = -1;
  int lanes = 1;

  bool operator==(const StageChoice&) const = default;
};

// What a schedule is made from; the rest of it follows. When `lane` is a shared loop, it and its
// lanes are those of every stage as well.
struct LoopChoice {
  std::vector<int> shared;
  int lane = -1;
  int lanes = 1;
  std::vector<StageChoice> stages;
  int64_t grain = 0;  // points of a chunk; 0: by the model

  bool operator==(const LoopChoice&) const = default;
};
LoopChoice choice_of(const LoopNest& scheduled);

// Schedules as chosen. False when the choice does not fit the nest, whose schedule is then
// undefined: loops that are not its own, lanes that are no power of two or that would add to the
// same place.
bool schedule(LoopNest& nest, const ScheduleTarget& target, const LoopChoice& choice);

// The predicted time of one run on one thread, in seconds.
double predicted_seconds(const LoopNest& nest, const ScheduleTarget& target);

}  // namespace tessera
