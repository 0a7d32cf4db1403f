#pragma once

#include <string>

#include "codegen/gpu/gpu_kernel.h"
#include "codegen/gpu/simulate.h"
#include "ir/interpret.h"

namespace tessera {

// normalize, unroll, gpu_groups (or one group a nest), kernels for the simulated machine, run;
// compares every output and updated value with the interpreter's, and returns what differs as text,
// "" when nothing does. `tolerance` is relative to the largest value of the array.
std::string simulate_and_compare(const Program& program, const Arrays& inputs, bool fused,
                                 double tolerance);
// Of a text without its first line, on random inputs, fused and not.
std::string simulate_and_compare(const std::string& text, double tolerance = 2e-5);

// The groups of a text without its first line.
std::vector<KernelGroup> gpu_groups_of(const std::string& text);

}  // namespace tessera
