#include "runtime/device/simulated_device.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "runtime/device/gpu_collectives.h"
#include "runtime/device/host_device.h"
#include "runtime/device/simulated_stream.h"
#include "runtime/memory_check.h"

namespace tessera {
namespace {

constexpr int kGarbage = 0xa5;
constexpr size_t kBeyond = 4096;  // kept free behind a block, so that none touches the next

}  // namespace

SimulatedDevice::SimulatedDevice(const NcclLibrary* nccl)
    : nccl_(nccl), builder_(GpuMachine::simulated, {}, [this](const GpuKernel& kernel) {
        return std::make_shared<std::vector<SimulatedBlock::Entry>>(simulator_.link(kernel));
      }) {}

SimulatedDevice::~SimulatedDevice() = default;

std::vector<KernelGroup> SimulatedDevice::groups(const std::vector<Nest>& nests,
                                                 const std::set<Tensor>& needed_outside) const {
  return gpu_groups(nests, needed_outside, builder_.target());
}

std::vector<std::unique_ptr<DeviceKernel>> SimulatedDevice::compile(
    const std::vector<KernelSource>& sources) {
  return builder_.build(sources);
}

DeviceMemory SimulatedDevice::allocate_together(Communicator& world, size_t bytes,
                                                const std::string& what) {
  require_memory_together(world, static_cast<int64_t>(bytes), what);
  return allocate(bytes);
}

DeviceMemory SimulatedDevice::allocate(size_t bytes) {
  Block block{bytes, allocate_from_host(bytes)};
  if (bytes > 0) std::memset(block.real.place(), kGarbage, bytes);
  const size_t reserved = bytes + kBeyond;
  void* pages =
      mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED)
    throw DeviceError(std::string("the system refuses addresses for a simulated GPU: ") +
                      std::strerror(errno));
  auto* place = static_cast<std::byte*>(pages);
  const std::lock_guard lock(mutex_);
  blocks_.emplace(place, std::move(block));
  return {place, bytes, [this, place, reserved] {
            const std::lock_guard lock_again(mutex_);
            blocks_.erase(place);
            munmap(place, reserved);
          }};
}

DeviceMemory SimulatedDevice::allocate_on_host(size_t bytes) {
  return allocate_from_host(bytes);
}

std::byte* SimulatedDevice::real(const std::byte* place, size_t bytes) const {
  const std::lock_guard lock(mutex_);
  const auto after = blocks_.upper_bound(place);
  TESSERA_CHECK(after != blocks_.begin()) << "an address that is not of the simulated GPU";
  const auto& [start, block] = *std::prev(after);
  const auto offset = static_cast<size_t>(place - start);
  TESSERA_CHECK(offset + bytes <= block.bytes)
      << "bytes " << offset << " to " << offset + bytes << " of a block of " << block.bytes
      << " bytes of the simulated GPU";
  return block.real.place() + offset;
}

std::unique_ptr<DeviceStream> SimulatedDevice::make_stream() {
  return std::make_unique<SimulatedStream>(*this);
}

std::unique_ptr<DeviceEvent> SimulatedDevice::make_event() {
  return std::make_unique<SimulatedEvent>();
}

std::unique_ptr<Communicator> SimulatedDevice::collectives(std::unique_ptr<Communicator> group,
                                                           DeviceStream& stream) {
  return gpu_collectives(std::move(group), *this, stream, nccl_);
}

}  // namespace tessera
