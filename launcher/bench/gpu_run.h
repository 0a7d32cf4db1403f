#pragma once

#include <map>

#include "ir/interpret.h"
#include "launcher/bench/gpu_program.h"
#include "runtime/cuda/gpu_device.h"

namespace tessera {

// A program on a GPU of this machine: every tensor in memory of its own.
class GpuRun {
 public:
  // Compiles, and loads inputs and state, by name. The device that the program is for is in use.
  GpuRun(const GpuProgram& program, const Arrays& inputs, const Arrays& state);

  // Starts a step; updates go to tensors of their own, so that steps repeat each other.
  void start() const;
  // Waits, and throws UserError where data led outside a tensor.
  void finish();
  // In the order in which the program returns it; the new value of what is updated.
  Array output(const Output& output) const;
  Array updated(const Update& update) const;

  double compile_seconds() const { return compile_seconds_; }
  int launches() const;

 private:
  GpuMemory& memory(const Tensor& tensor);
  Array read(const Tensor& tensor) const;

  std::vector<LoadedGpuKernel> kernels_;
  std::vector<std::vector<CudaDriver::Pointer>> arguments_;
  std::map<Tensor, GpuMemory> memory_;
  GpuMemory faults_;  // a number for each kernel
  double compile_seconds_ = 0;
};

}  // namespace tessera
