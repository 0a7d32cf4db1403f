#pragma once

#include "comm/nccl/nccl_library.h"
#include "runtime/cuda/gpu_device.h"
#include "runtime/device/gpu_kernels.h"

namespace tessera {

// An NVIDIA GPU of this machine. Kernels are PTX that the driver assembles; nothing is needed to
// build this where there is no GPU (driver.h).
class CudaDevice : public ComputeDevice {
 public:
  // Of 0, 1, … DeviceError that says what there is where there is no driver or no such GPU.
  // `nccl`: what collectives go by; nullptr: over memory of the host.
  CudaDevice(int number, const NcclLibrary* nccl);

  std::string name() const override { return gpu_.name() + ", " + gpu_.arch(); }
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

  const GpuDevice& gpu() const { return gpu_; }

 private:
  const NcclLibrary* const nccl_;
  const CudaDriver& driver_;
  GpuDevice gpu_;
  GpuKernelBuilder builder_;
};

}  // namespace tessera
