#pragma once

#include "codegen/schedule.h"

namespace tessera {

// The nodes and stores of one stage, as far as its schedule depends on them.
struct StageUse {
  std::vector<int> nodes;  // every node that its stores and reductions need
  int element_bytes = 4;   // of the type that the stage computes in
  double work = 0;         // scalar operations at one point
};
StageUse use_of(const LoopNest& nest, const Stage& stage);

// Every address that the stage loads from or stores to.
std::vector<const Address*> addresses_of(const LoopNest& nest, const Stage& stage,
                                         const StageUse& use);

// How far one step of `loop` moves along memory; nothing when it jumps (through an index read).
std::optional<int64_t> step_of(const LoopNest& nest, const Address& address, int loop);

// The stage's own loops that may be its lane loop.
std::vector<int> lane_loops_of(const Stage& stage);
// May the shared `loop` be the lane loop as far as this stage is concerned?
bool lanes_may_share(const LoopNest& nest, const Stage& stage, int loop);

// Instructions of one run of the stage when `lane` is its lane loop (-1: no vectors), in units of
// a cheap scalar instruction.
double cost_of(const LoopNest& nest, const Stage& stage, const StageUse& use, int lane,
               const ScheduleTarget& target);

// A number of lanes, a power of two: several registers' worth where the extent allows.
int lanes_for(const LoopNest& nest, const Stage& stage, const StageUse& use, int lane,
              const ScheduleTarget& target);

}  // namespace tessera
