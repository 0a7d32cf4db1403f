#pragma once

#include <atomic>
#include <string>

#include "codegen/gpu/gpu_kernel.h"
#include "codegen/object_cache.h"

namespace tessera {

// Kernels for GPUs, kept on disk beside those for processors (object_cache.h) under what they were
// made from: a second process reads them. What the driver assembles from their PTX it keeps itself.
// Any number of threads may ask, and any number of processes share a folder.
class GpuKernelCache {
 public:
  GpuKernelCache(GpuMachine machine, GpuTarget target, std::string folder)
      : machine_(machine),
        target_(std::move(target)),
        objects_(std::move(folder), int64_t{1} << 30) {}

  // As build_gpu_kernel().
  GpuKernel obtain(const KernelGroup& group);

  const GpuTarget& target() const { return target_; }
  int built() const { return built_; }  // that were not on disk

 private:
  std::string key_of(const KernelGroup& group) const;

  const GpuMachine machine_;
  const GpuTarget target_;
  ObjectCache objects_;
  std::atomic<int> built_ = 0;
};

}  // namespace tessera
