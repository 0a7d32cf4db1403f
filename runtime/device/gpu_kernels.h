#pragma once

#include <map>
#include <mutex>

#include "codegen/gpu/gpu_kernel_cache.h"
#include "runtime/device/device.h"

namespace tessera {

// A kernel group as a GPU runs it, real or simulated: launches in order, with workspaces, and with
// aligned copies of arguments that lie where the kernel's wide accesses cannot go (rows of 12
// bytes, in the iterations of a loop).
struct GpuDeviceKernel : DeviceKernel {
  std::shared_ptr<const GpuKernel> code;  // one for all groups that are alike
  std::shared_ptr<void> loaded;           // what the device made of it, one likewise
  size_t inputs = 0;                      // of the arguments
  std::vector<size_t> bytes;              // of each argument
  std::vector<size_t> copies;             // in scratch, of loose arguments; SIZE_MAX: of the others
  std::vector<size_t> workspaces;         // in scratch
};

// Builds kernels, several at once, and equal ones once, or finds them on disk.
class GpuKernelBuilder {
 public:
  using Load = std::function<std::shared_ptr<void>(const GpuKernel&)>;

  // `load` brings one to the device; on the thread that calls build().
  GpuKernelBuilder(GpuMachine machine, GpuTarget target, Load load)
      : cache_(machine, std::move(target), default_cache_folder()), load_(std::move(load)) {}

  const GpuTarget& target() const { return cache_.target(); }

  // Any number of threads may call it.
  std::vector<std::unique_ptr<DeviceKernel>> build(const std::vector<KernelSource>& sources);

 private:
  struct Built {
    std::shared_ptr<const GpuKernel> code;
    std::shared_ptr<void> loaded;
  };
  GpuKernelCache cache_;
  const Load load_;
  std::mutex mutex_;  // of what follows
  std::map<std::string, Built> built_;
};

// Puts the launches of a kernel into a stream with `start`; the kernel's scratch lies at `scratch`.
using StartLaunch = std::function<void(const GpuLaunch&, const std::vector<std::byte*>& pointers)>;
void start_launches(DeviceStream& stream, const GpuDeviceKernel& kernel,
                    std::byte* const* arguments, std::byte* scratch, std::byte* fault,
                    const StartLaunch& start);

}  // namespace tessera
