#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "codegen/gpu/gpu_kernel.h"
#include "codegen/gpu/simulated_block.h"

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

  // The code of each launch, in their order, nullptr where there is nothing to do. It lives as long
  // as the simulator, and runs on any thread. Any number of threads may link.
  std::vector<SimulatedBlock::Entry> link(const GpuKernel& kernel);

  // Of all runs: see SimulatedBlock.
  int64_t conflicts() const;
  void omit(SimulatedBlock::Omissions omissions);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// All blocks of a launch, one after the other; `pointers` as GpuLaunch says.
void run_blocks(SimulatedBlock& block, SimulatedBlock::Entry entry, const GpuLaunch& launch,
                const std::vector<void*>& pointers);

}  // namespace tessera
