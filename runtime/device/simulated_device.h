#pragma once

#include <map>
#include <mutex>

#include "codegen/gpu/simulate.h"
#include "comm/nccl/nccl_library.h"
#include "runtime/device/gpu_kernels.h"

namespace tessera {

// A GPU that is simulated: kernels for GPUs are emitted for this host and run thread by thread
// (codegen/gpu/simulate.h), streams are threads of the host that work through a queue, and memory
// lies apart: where the host believes it to be there are pages that nobody may touch, so that a
// host that goes there dies at once. It starts as garbage. Everything but the silicon is as on a
// GPU; times say nothing.
class SimulatedDevice : public ComputeDevice {
 public:
  // `nccl`: what collectives go by; nullptr: over memory of the host.
  explicit SimulatedDevice(const NcclLibrary* nccl = nullptr);
  ~SimulatedDevice() override;

  std::string name() const override { return "a simulated GPU"; }
  std::vector<KernelGroup> groups(const std::vector<Nest>& nests,
                                  const std::set<Tensor>& needed_outside) const override;
  std::vector<std::unique_ptr<DeviceKernel>> compile(
      const std::vector<KernelSource>& sources) override;
  DeviceMemory allocate_together(Communicator& world, size_t bytes,
                                 const std::string& what) override;
  DeviceMemory allocate(size_t bytes) override;
  DeviceMemory allocate_on_host(size_t bytes) override;
  std::unique_ptr<DeviceStream> make_stream() override;
  std::unique_ptr<DeviceEvent> make_event() override;
  std::byte* on_host(std::byte*) const override { return nullptr; }
  std::unique_ptr<Communicator> collectives(std::unique_ptr<Communicator> group,
                                            DeviceStream& stream) override;

  // Where `bytes` bytes really lie. InternalError unless one block of this device has them all.
  std::byte* real(const std::byte* place, size_t bytes) const;

 private:
  struct Block {
    size_t bytes = 0;
    DeviceMemory real;
  };
  const NcclLibrary* const nccl_;
  mutable std::mutex mutex_;  // of the blocks
  std::map<const std::byte*, Block> blocks_;
  GpuSimulator simulator_;
  GpuKernelBuilder builder_;
};

}  // namespace tessera
