#pragma once

#include "codegen/compile.h"
#include "runtime/device/device.h"
#include "runtime/worker_pool.h"

namespace tessera {

// This host as a device: kernels run on the thread that launches them and its workers, and all work
// is done when a call returns.
class HostDevice : public ComputeDevice {
 public:
  // `compiler` must outlive it. `threads` compute; 0: one for each usable core.
  HostDevice(Compiler& compiler, int threads)
      : compiler_(compiler), threads_(threads > 0 ? threads : usable_cores()) {}

  std::string name() const override { return "this host"; }
  std::vector<KernelGroup> groups(const std::vector<Nest>& nests,
                                  const std::set<Tensor>& needed_outside) const override;
  std::vector<std::unique_ptr<DeviceKernel>> compile(
      const std::vector<KernelSource>& sources) override;
  DeviceMemory allocate_together(Communicator& world, size_t bytes,
                                 const std::string& what) override;
  DeviceMemory allocate(size_t bytes) override;
  DeviceMemory allocate_on_host(size_t bytes) override { return allocate(bytes); }
  std::unique_ptr<DeviceStream> make_stream() override;
  std::unique_ptr<DeviceEvent> make_event() override;
  std::byte* on_host(std::byte* place) const override { return place; }
  std::unique_ptr<Communicator> collectives(std::unique_ptr<Communicator> group,
                                            DeviceStream& stream) override;

 private:
  Compiler& compiler_;
  const int threads_;
};

// Memory of the host, zero-filled and from huge pages where there are some.
DeviceMemory allocate_from_host(size_t bytes);
// DeviceStream::copy_rows within the host.
void copy_rows_on_host(std::byte* to, size_t to_step, const std::byte* from, size_t from_step,
                       size_t bytes, size_t rows);

}  // namespace tessera
