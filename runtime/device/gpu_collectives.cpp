#include "runtime/device/gpu_collectives.h"

#include "comm/nccl/nccl_communicator.h"
#include "runtime/device/staged_communicator.h"

namespace tessera {
namespace {

class StreamQueue : public NcclQueue {
 public:
  explicit StreamQueue(DeviceStream& stream) : stream_(stream) {}

  NcclLibrary::Stream stream() override { return stream_.handle(); }
  bool done() override { return stream_.done(); }
  void copy(void* to, const void* from, size_t bytes) override {
    stream_.copy(static_cast<std::byte*>(to), static_cast<const std::byte*>(from), bytes);
  }
  void to_host(void* to, const void* from, size_t bytes) override {
    stream_.to_host(to, static_cast<const std::byte*>(from), bytes);
    stream_.wait();
  }
  void to_device(void* to, const void* from, size_t bytes) override {
    stream_.to_device(static_cast<std::byte*>(to), from, bytes);
    stream_.wait();
  }

 private:
  DeviceStream& stream_;
};

}  // namespace

std::unique_ptr<Communicator> gpu_collectives(std::unique_ptr<Communicator> group,
                                              ComputeDevice& device, DeviceStream& stream,
                                              const NcclLibrary* nccl) {
  if (nccl == nullptr)
    return std::make_unique<StagedCommunicator>(std::move(group), device, stream);
  return std::make_unique<NcclCommunicator>(std::move(group), *nccl,
                                            std::make_shared<StreamQueue>(stream));
}

}  // namespace tessera
