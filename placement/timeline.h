#pragma once

#include <vector>

#include "partition/sharded_program.h"
#include "placement/cost_model.h"

namespace tessera {

// One step of one rank on its stream: computing and communicating run side by side, each in program
// order, and a step starts when its stream is free and its inputs are there. In loops, seconds are
// those of all iterations, which follow one another without overlap, and the start is that of the
// loop.
struct TimedStep {
  const Step* step;   // of the program; no loop
  int64_t times = 1;  // that it runs
  double start = 0;
  double seconds = 0;
  double exposed = 0;  // of a collective: how long computing stood still for it
};

struct Timeline {
  std::vector<TimedStep> steps;  // in order, those of loops among them
  double compute = 0;            // seconds of all nests
  double communicate = 0;        // seconds of all collectives
  double end = 0;                // of the later stream
};

// `program` must live as long as what is returned.
Timeline timeline_of(const ShardedProgram& program, const KernelSeconds& kernels,
                     const CommCost& comm);

}  // namespace tessera
