#include "runtime/cuda/cuda_device.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/units.h"
#include "runtime/device/gpu_collectives.h"

namespace tessera {
namespace {

constexpr unsigned kBesideOthers = 1;   // CU_STREAM_NON_BLOCKING
constexpr unsigned kWithoutTiming = 2;  // CU_EVENT_DISABLE_TIMING
constexpr CudaDriver::Result kNotReady = 600;
constexpr unsigned kForAll = 1;  // CU_MEMHOSTALLOC_PORTABLE

CudaDriver::Pointer number_of(const std::byte* place) {
  return reinterpret_cast<CudaDriver::Pointer>(place);
}

struct CudaEvent : DeviceEvent {
  explicit CudaEvent(const GpuDevice& gpu) {
    gpu.use();
    cuda_driver().check(cuda_driver().make_event(&handle, kWithoutTiming), "making an event");
  }
  ~CudaEvent() override { cuda_driver().destroy_event(handle); }

  CudaDriver::Handle handle = nullptr;
};

// The kernels of a module, one for each launch.
struct LoadedLaunches {
  GpuModule module;
  std::vector<CudaDriver::Handle> functions;
};

class CudaStream : public DeviceStream {
 public:
  explicit CudaStream(CudaDevice& device) : device_(device), driver_(cuda_driver()) {
    device.gpu().use();
    check(driver_.make_stream(&stream_, kBesideOthers), "making a stream");
  }
  ~CudaStream() override {
    driver_.wait_for_stream(stream_);
    driver_.destroy_stream(stream_);
  }

  void to_device(std::byte* to, const void* from, size_t bytes) override {
    if (bytes == 0) return;
    device_.gpu().use();
    check(driver_.to_device_in(number_of(to), from, bytes, stream_), "copying to the device");
  }
  void to_host(void* to, const std::byte* from, size_t bytes) override {
    if (bytes == 0) return;
    device_.gpu().use();
    check(driver_.to_host_in(to, number_of(from), bytes, stream_), "copying from the device");
  }
  void copy(std::byte* to, const std::byte* from, size_t bytes) override {
    if (bytes == 0) return;
    device_.gpu().use();
    check(driver_.copy_in(number_of(to), number_of(from), bytes, stream_), "copying");
  }
  void copy_rows(std::byte* to, size_t to_step, const std::byte* from, size_t from_step,
                 size_t bytes, size_t rows) override {
    if (bytes == 0 || rows == 0) return;
    if (rows == 1 || (to_step == bytes && from_step == bytes)) return copy(to, from, bytes * rows);
    CudaRows copied;
    copied.from = number_of(from);
    copied.from_step = from_step;
    copied.to = number_of(to);
    copied.to_step = to_step;
    copied.bytes = bytes;
    copied.rows = rows;
    device_.gpu().use();
    check(driver_.copy_rows_in(&copied, stream_), "copying rows");
  }
  void set_word(std::byte* to, int32_t value) override {
    device_.gpu().use();
    check(driver_.fill_words_in(number_of(to), static_cast<unsigned>(value), 1, stream_),
          "writing a number");
  }
  void reserve_scratch(size_t bytes) override {
    if (bytes > scratch_.bytes()) scratch_ = device_.allocate(bytes);
  }
  size_t scratch_bytes() const override { return scratch_.bytes(); }
  void launch(const DeviceKernel& kernel, std::byte* const* arguments, std::byte* fault) override {
    const auto& gpu = static_cast<const GpuDeviceKernel&>(kernel);
    const auto& loaded = *static_cast<const LoadedLaunches*>(gpu.loaded.get());
    device_.gpu().use();
    start_launches(*this, gpu, arguments, scratch_.place(), fault,
                   [&](const GpuLaunch& launch, const std::vector<std::byte*>& pointers) {
                     std::vector<CudaDriver::Pointer> numbers;
                     for (const std::byte* pointer : pointers)
                       numbers.push_back(number_of(pointer));
                     const auto which = static_cast<size_t>(&launch - gpu.code->launches.data());
                     GpuModule::launch(loaded.functions[which], launch.blocks, launch.threads,
                                       std::move(numbers), stream_);
                   });
  }
  void record(DeviceEvent& event) override {
    device_.gpu().use();
    check(driver_.record_event(static_cast<CudaEvent&>(event).handle, stream_), "recording");
  }
  void wait_for(const DeviceEvent& event) override {
    device_.gpu().use();
    check(driver_.let_stream_wait(stream_, static_cast<const CudaEvent&>(event).handle, 0),
          "waiting for an event");
  }
  void wait() override {
    device_.gpu().use();
    check(driver_.wait_for_stream(stream_), "running kernels");
  }
  bool done() override {
    device_.gpu().use();
    const CudaDriver::Result result = driver_.ask_stream(stream_);
    if (result == kNotReady) return false;
    check(result, "running kernels");
    return true;
  }
  void* handle() override {
    device_.gpu().use();
    return stream_;
  }

 private:
  void check(CudaDriver::Result result, const char* what) const { driver_.check(result, what); }

  CudaDevice& device_;
  const CudaDriver& driver_;
  DeviceMemory scratch_;
  CudaDriver::Handle stream_ = nullptr;
};

std::shared_ptr<void> load(const GpuDevice& gpu, const GpuKernel& kernel) {
  gpu.use();
  const bool any = std::any_of(kernel.launches.begin(), kernel.launches.end(),
                               [](const GpuLaunch& launch) { return launch.blocks > 0; });
  if (!any) return nullptr;
  auto loaded = std::make_shared<LoadedLaunches>(LoadedLaunches{GpuModule(kernel.code), {}});
  for (const GpuLaunch& launch : kernel.launches)
    loaded->functions.push_back(launch.blocks > 0 ? loaded->module.function(launch.symbol)
                                                  : nullptr);
  return loaded;
}

}  // namespace

CudaDevice::CudaDevice(int number, const NcclLibrary* nccl)
    : nccl_(nccl),
      driver_(cuda_driver()),
      gpu_(number),
      builder_(GpuMachine::ptx, gpu_.target(),
               [this](const GpuKernel& kernel) { return load(gpu_, kernel); }) {}

std::vector<KernelGroup> CudaDevice::groups(const std::vector<Nest>& nests,
                                            const std::set<Tensor>& needed_outside) const {
  return gpu_groups(nests, needed_outside, builder_.target());
}

std::vector<std::unique_ptr<DeviceKernel>> CudaDevice::compile(
    const std::vector<KernelSource>& sources) {
  return builder_.build(sources);
}

// Ranks that share a GPU each see what is left.
DeviceMemory CudaDevice::allocate_together(Communicator& world, size_t bytes,
                                           const std::string& what) {
  gpu_.use();
  size_t available = 0, total = 0;
  driver_.check(driver_.memory_info(&available, &total), "asking for its memory");
  const int64_t numbers[] = {static_cast<int64_t>(bytes), static_cast<int64_t>(available)};
  const std::vector<size_t> counts(static_cast<size_t>(world.size()), 2);
  std::vector<int64_t> all(2 * counts.size());
  world.set_context("comparing how much memory of GPUs the ranks need");
  world.all_gather(numbers, all.data(), counts, DType::i64);
  for (size_t rank = 0; rank < counts.size(); ++rank)
    if (all[2 * rank] > all[2 * rank + 1])
      throw DeviceError(
          fmt::format("{} needs {} on the GPU of rank {}, and {} are free there: use a smaller "
                      "batch or smaller "
                      "extents, more GPUs, or `checkpoint` what can be computed again",
                      what, human_bytes(all[2 * rank]), rank, human_bytes(all[2 * rank + 1])));
  return allocate(bytes);
}

DeviceMemory CudaDevice::allocate(size_t bytes) {
  gpu_.use();
  if (bytes == 0) return {};
  CudaDriver::Pointer place = 0;
  driver_.check(driver_.allocate(&place, bytes),
                "allocating " + human_bytes(static_cast<int64_t>(bytes)));
  return {reinterpret_cast<std::byte*>(place), bytes, [this, place] {
            if (driver_.set_context(gpu_.context()) == 0) driver_.free(place);
          }};
}

DeviceMemory CudaDevice::allocate_on_host(size_t bytes) {
  gpu_.use();
  if (bytes == 0) return {};
  void* place = nullptr;
  driver_.check(driver_.allocate_on_host(&place, bytes, kForAll),
                "allocating " + human_bytes(static_cast<int64_t>(bytes)) + " of the host's memory");
  return {static_cast<std::byte*>(place), bytes, [this, place] {
            if (driver_.set_context(gpu_.context()) == 0) driver_.free_on_host(place);
          }};
}

std::unique_ptr<DeviceStream> CudaDevice::make_stream() {
  return std::make_unique<CudaStream>(*this);
}

std::unique_ptr<DeviceEvent> CudaDevice::make_event() {
  return std::make_unique<CudaEvent>(gpu_);
}

std::unique_ptr<Communicator> CudaDevice::collectives(std::unique_ptr<Communicator> group,
                                                      DeviceStream& stream) {
  return gpu_collectives(std::move(group), *this, stream, nccl_);
}

}  // namespace tessera
