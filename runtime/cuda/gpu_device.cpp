#include "runtime/cuda/gpu_device.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/error.h"

namespace tessera {
namespace {

// CUdevice_attribute
constexpr int kMultiprocessors = 16, kCacheBytes = 38, kMajor = 75, kMinor = 76;
// CUjit_option
constexpr int kErrorText = 5, kErrorTextBytes = 6;

}  // namespace

int count_gpus() {
  const CudaDriver& driver = cuda_driver();
  int count = 0;
  driver.check(driver.device_count(&count), "counting devices");
  return count;
}

std::string cuda_version() {
  const CudaDriver& driver = cuda_driver();
  int version = 0;
  driver.check(driver.version(&version), "asking for the version");
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

GpuDevice::GpuDevice(int number) : driver_(cuda_driver()) {
  const int count = count_gpus();
  if (count == 0) throw DeviceError("the NVIDIA driver finds no GPU");
  if (number >= count)
    throw DeviceError(
        fmt::format("there is no GPU {}: this machine has {}, counted from 0", number, count));
  driver_.check(driver_.device(&device_, number), "opening the device");
  std::array<char, 256> name{};
  driver_.check(driver_.device_name(name.data(), static_cast<int>(name.size()), device_),
                "asking for the name");
  name_ = name.data();
  const auto attribute = [&](int which) {
    int value = 0;
    driver_.check(driver_.device_attribute(&value, which, device_), "asking for an attribute");
    return value;
  };
  arch_ = fmt::format("sm_{}{}", attribute(kMajor), attribute(kMinor));
  multiprocessors_ = attribute(kMultiprocessors);
  cache_bytes_ = attribute(kCacheBytes);
  driver_.check(driver_.retain_context(&context_, device_), "making a context");
  use();
}

void GpuDevice::use() const {
  driver_.check(driver_.set_context(context_), "taking its context");
}

GpuDevice::~GpuDevice() {
  driver_.release_context(device_);
}

int64_t GpuDevice::memory_bytes() const {
  use();
  size_t available = 0, total = 0;
  driver_.check(driver_.memory_info(&available, &total), "asking for its memory");
  return static_cast<int64_t>(total);
}

GpuTarget GpuDevice::target() const {
  GpuTarget target = gpu_of_arch(arch_);
  target.multiprocessors = multiprocessors_;
  target.cache_bytes = cache_bytes_;
  return target;
}

void GpuDevice::wait() const {
  driver_.check(driver_.synchronize(), "running kernels");
}

std::vector<double> GpuDevice::time(int runs, const std::function<void()>& launch) const {
  std::vector<CudaDriver::Handle> events(static_cast<size_t>(runs) + 1);
  for (CudaDriver::Handle& event : events)
    driver_.check(driver_.make_event(&event, 0), "making an event");
  driver_.check(driver_.record_event(events[0], nullptr), "timing");
  for (size_t i = 1; i < events.size(); ++i) {
    launch();
    driver_.check(driver_.record_event(events[i], nullptr), "timing");
  }
  wait();
  std::vector<double> seconds;
  for (size_t i = 1; i < events.size(); ++i) {
    float milliseconds = 0;
    driver_.check(driver_.milliseconds(&milliseconds, events[i - 1], events[i]), "timing");
    seconds.push_back(1e-3 * milliseconds);
  }
  for (CudaDriver::Handle event : events) driver_.destroy_event(event);
  return seconds;
}

GpuMemory::GpuMemory(size_t bytes) : bytes_(bytes) {
  const CudaDriver& driver = cuda_driver();
  if (bytes > 0)
    driver.check(driver.allocate(&place_, bytes), fmt::format("allocating {} bytes", bytes));
}

GpuMemory::~GpuMemory() {
  if (place_ != 0) cuda_driver().free(place_);
}

GpuMemory::GpuMemory(GpuMemory&& other) noexcept
    : place_(std::exchange(other.place_, 0)), bytes_(other.bytes_) {}

void GpuMemory::write(const void* from) {
  const CudaDriver& driver = cuda_driver();
  if (bytes_ > 0) driver.check(driver.to_device(place_, from, bytes_), "copying to the device");
}

void GpuMemory::read(void* to) const {
  const CudaDriver& driver = cuda_driver();
  if (bytes_ > 0) driver.check(driver.to_host(to, place_, bytes_), "copying from the device");
}

void GpuMemory::fill(unsigned char value) {
  const CudaDriver& driver = cuda_driver();
  if (bytes_ > 0) driver.check(driver.fill_bytes(place_, value, bytes_), "filling memory");
}

GpuModule::GpuModule(const std::string& ptx) {
  std::string words(8192, '\0');
  int options[] = {kErrorText, kErrorTextBytes};
  void* values[] = {words.data(), reinterpret_cast<void*>(words.size())};
  const CudaDriver& driver = cuda_driver();
  const CudaDriver::Result result = driver.load_module(&module_, ptx.c_str(), 2, options, values);
  driver.check(result, "assembling PTX (" + std::string(words.c_str()) + ")");
}

GpuModule::~GpuModule() {
  if (module_ != nullptr) cuda_driver().unload_module(module_);
}

GpuModule::GpuModule(GpuModule&& other) noexcept : module_(std::exchange(other.module_, nullptr)) {}

CudaDriver::Handle GpuModule::function(const std::string& symbol) const {
  const CudaDriver& driver = cuda_driver();
  CudaDriver::Handle function = nullptr;
  driver.check(driver.function(&function, module_, symbol.c_str()), "finding " + symbol);
  return function;
}

void GpuModule::launch(CudaDriver::Handle function, int64_t blocks, int threads,
                       std::vector<CudaDriver::Pointer> arguments, CudaDriver::Handle stream) {
  const CudaDriver& driver = cuda_driver();
  std::vector<void*> places;
  for (CudaDriver::Pointer& argument : arguments) places.push_back(&argument);
  driver.check(
      driver.launch(function, static_cast<unsigned>(blocks), 1, 1, static_cast<unsigned>(threads),
                    1, 1, 0, stream, places.data(), nullptr),
      "launching a kernel");
}

void GpuModule::launch(const std::string& symbol, int64_t blocks, int threads,
                       std::vector<CudaDriver::Pointer> arguments) const {
  launch(function(symbol), blocks, threads, std::move(arguments), nullptr);
}

LoadedGpuKernel::LoadedGpuKernel(GpuKernel kernel)
    : kernel_(std::move(kernel)), module_(kernel_.code) {
  for (const int64_t bytes : kernel_.workspaces)
    workspaces_.emplace_back(static_cast<size_t>(bytes));
}

void LoadedGpuKernel::run(const std::vector<CudaDriver::Pointer>& arguments,
                          CudaDriver::Pointer fault) const {
  std::vector<CudaDriver::Pointer> places = arguments;
  for (const GpuMemory& workspace : workspaces_) places.push_back(workspace.place());
  for (const GpuLaunch& launch : kernel_.launches) {
    if (launch.blocks == 0) continue;
    std::vector<CudaDriver::Pointer> pointers;
    for (const int argument : launch.arguments)
      pointers.push_back(places[static_cast<size_t>(argument)]);
    pointers.push_back(fault);
    module_.launch(launch.symbol, launch.blocks, launch.threads, std::move(pointers));
  }
}

}  // namespace tessera
