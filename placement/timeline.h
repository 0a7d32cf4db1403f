#pragma once

#include <vector>

#include "partition/sharded_program.h"
#include "placement/cost_model.h"

namespace tessera {

// One step of one rank on its stream: computing and communicating run side by side, each in program
// order, and a step starts when its stream is free and its inputs are there.
struct TimedStep {
  double start = 0;
  double seconds = 0;
  double exposed = 0;  // of a collective: how long computing stood still for it
};

struct Timeline {
  std::vector<TimedStep> steps;  // as in the program
  double compute = 0;            // seconds of all nests
  double communicate = 0;        // seconds of all collectives
  double end = 0;                // of the later stream
};

Timeline timeline_of(const ShardedProgram& program, const KernelSeconds& kernels,
                     const CommCost& comm);

}  // namespace tessera
