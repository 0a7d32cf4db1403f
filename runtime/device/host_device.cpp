#include "runtime/device/host_device.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "codegen/fuse.h"
#include "runtime/arena.h"
#include "runtime/memory_check.h"

namespace tessera {
namespace {

struct HostKernel : DeviceKernel {
  Kernel kernel;
};

class HostStream : public DeviceStream {
 public:
  explicit HostStream(int threads) : workers_(threads) {}

  void to_device(std::byte* to, const void* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void to_host(void* to, const std::byte* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void copy(std::byte* to, const std::byte* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void copy_rows(std::byte* to, size_t to_step, const std::byte* from, size_t from_step,
                 size_t bytes, size_t rows) override {
    copy_rows_on_host(to, to_step, from, from_step, bytes, rows);
  }
  void set_word(std::byte* to, int32_t value) override { std::memcpy(to, &value, sizeof value); }
  void reserve_scratch(size_t bytes) override {
    scratch_bytes_ = std::max(scratch_bytes_, bytes);
    workers_.reserve_scratch(scratch_bytes_);
  }
  size_t scratch_bytes() const override {
    return scratch_bytes_ * static_cast<size_t>(workers_.threads());
  }
  void launch(const DeviceKernel& kernel, std::byte* const* arguments, std::byte* fault) override {
    const Kernel& code = static_cast<const HostKernel&>(kernel).kernel;
    if (code.chunks == 0) return;
    const int64_t found = workers_.run(code, reinterpret_cast<void* const*>(arguments));
    if (found != 0) std::memcpy(fault, &found, sizeof found);
  }
  void record(DeviceEvent&) override {}
  void wait_for(const DeviceEvent&) override {}
  void wait() override {}
  bool done() override { return true; }
  void* handle() override { return nullptr; }

 private:
  WorkerPool workers_;
  size_t scratch_bytes_ = 0;
};

DeviceMemory memory_of(Arena arena) {
  const auto kept = std::make_shared<Arena>(std::move(arena));
  return {kept->at(0), kept->bytes(), [kept] {}};
}

}  // namespace

void copy_rows_on_host(std::byte* to, size_t to_step, const std::byte* from, size_t from_step,
                       size_t bytes, size_t rows) {
  if (bytes == 0) return;
  for (size_t row = 0; row < rows; ++row)
    std::memcpy(to + row * to_step, from + row * from_step, bytes);
}

DeviceMemory allocate_from_host(size_t bytes) {
  return memory_of(Arena(bytes));
}

std::vector<KernelGroup> HostDevice::groups(const std::vector<Nest>& nests,
                                            const std::set<Tensor>& needed_outside) const {
  return fuse(nests, needed_outside);
}

std::vector<std::unique_ptr<DeviceKernel>> HostDevice::compile(
    const std::vector<KernelSource>& sources) {
  std::vector<KernelGroup> groups;
  for (const KernelSource& source : sources) groups.push_back(source.group);
  std::vector<std::unique_ptr<DeviceKernel>> kernels;
  for (Kernel& compiled : compiler_.compile(groups)) {
    auto kernel = std::make_unique<HostKernel>();
    kernel->arguments = compiled.arguments;
    kernel->faults = compiled.faults;
    kernel->scratch_bytes = compiled.scratch_bytes;
    kernel->kernel = std::move(compiled);
    kernels.push_back(std::move(kernel));
  }
  return kernels;
}

DeviceMemory HostDevice::allocate_together(Communicator& world, size_t bytes,
                                           const std::string& what) {
  std::unique_ptr<SharedBlock> shared;
  if (require_memory_together(world, static_cast<int64_t>(bytes), what))
    shared = world.share(bytes);
  else if (world.rank() == 0)
    log_warning("runtime",
                "ranks of a machine have too few addresses to read each other's tensors where they "
                "lie, so collectives copy, which is slower: raise the limit (ulimit -v)");
  return memory_of(Arena(bytes, std::move(shared)));
}

DeviceMemory HostDevice::allocate(size_t bytes) {
  return allocate_from_host(bytes);
}

std::unique_ptr<DeviceStream> HostDevice::make_stream() {
  return std::make_unique<HostStream>(threads_);
}

std::unique_ptr<DeviceEvent> HostDevice::make_event() {
  return std::make_unique<DeviceEvent>();
}

std::unique_ptr<Communicator> HostDevice::collectives(std::unique_ptr<Communicator> group,
                                                      DeviceStream&) {
  return group;
}

}  // namespace tessera
