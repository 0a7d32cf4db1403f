#pragma once

#include "launcher/commands/execution.h"

namespace tessera {

// A program planned and compiled for the ranks of `world`, fed with random inputs, ready to step.
// Made together.
struct PreparedStep {
  PreparedStep(const ExecutionArguments& execution, const CompilerOptions& compiling,
               const Program& program, const Program& normal, Communicator& world);

  double seconds = 0;  // that planning and compiling took
  Compiler compiler;
  Executable step;
};

// Seconds of each step, sorted: steps until `seconds` are used, at least five, after two that warm
// up. Rank 0 decides when to stop. Together.
std::vector<double> time_steps(Executable& step, Communicator& world, double seconds);

}  // namespace tessera
