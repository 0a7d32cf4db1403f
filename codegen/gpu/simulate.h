#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "codegen/gpu/gpu_kernel.h"

namespace tessera {

// Runs kernels for GpuMachine::simulated on this host, one block after the other, its threads in
// turns: each goes on until it waits for others (a barrier, what another thread of its warp has).
// So what kernels for GPUs compute is compared with the interpreter where there is no GPU; times
// say nothing. One caller at a time.
//
// In every other turn threads go in the opposite order, so that a barrier that is missing shows.
class GpuSimulator {
 public:
  GpuSimulator();
  ~GpuSimulator();
  GpuSimulator(const GpuSimulator&) = delete;
  GpuSimulator& operator=(const GpuSimulator&) = delete;

  // `arguments` are the buffers of the group's inputs, then outputs, each aligned to 16. Returns
  // the fault that was reported, or 0. InternalError when threads of a block wait for each other in
  // different places.
  int64_t run(const GpuKernel& kernel, const std::vector<void*>& arguments);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera
