#pragma once

#include <set>
#include <string>
#include <vector>

#include "codegen/gpu/gpu_kernel.h"
#include "ir/program.h"

namespace tessera {

// A program as kernels for a GPU, in order.
struct GpuProgram {
  Program normal;
  std::vector<KernelGroup> groups;
  double flops = 0;  // of a step
  GpuTarget target;
};

// `normal` is in normal form. Throws UserError for one with loops, which do not run on GPUs yet.
GpuProgram gpu_program(const Program& normal, const GpuTarget& target);

}  // namespace tessera
