#include "runtime/device/simulated_stream.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "runtime/device/host_device.h"

namespace tessera {

int64_t SimulatedEvent::ask() {
  const std::lock_guard lock(mutex_);
  return ++asked_;
}

void SimulatedEvent::come(int64_t time) {
  {
    const std::lock_guard lock(mutex_);
    come_ = std::max(come_, time);
  }
  changed_.notify_all();
}

void SimulatedEvent::await(int64_t time) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return come_ >= time; });
}

int64_t SimulatedEvent::last_asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

SimulatedStream::SimulatedStream(SimulatedDevice& device) : device_(device) {}

void SimulatedStream::to_device(std::byte* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  std::byte* real = device_.real(to, bytes);
  enqueue([=] { std::memcpy(real, from, bytes); });
}

void SimulatedStream::to_host(void* to, const std::byte* from, size_t bytes) {
  if (bytes == 0) return;
  const std::byte* real = device_.real(from, bytes);
  enqueue([=] { std::memcpy(to, real, bytes); });
}

void SimulatedStream::copy(std::byte* to, const std::byte* from, size_t bytes) {
  if (bytes == 0) return;
  std::byte* real_to = device_.real(to, bytes);
  const std::byte* real_from = device_.real(from, bytes);
  enqueue([=] { std::memcpy(real_to, real_from, bytes); });
}

void SimulatedStream::copy_rows(std::byte* to, size_t to_step, const std::byte* from,
                                size_t from_step, size_t bytes, size_t rows) {
  if (bytes == 0 || rows == 0) return;
  std::byte* real_to = device_.real(to, to_step * (rows - 1) + bytes);
  const std::byte* real_from = device_.real(from, from_step * (rows - 1) + bytes);
  enqueue([=] { copy_rows_on_host(real_to, to_step, real_from, from_step, bytes, rows); });
}

void SimulatedStream::set_word(std::byte* to, int32_t value) {
  std::byte* real = device_.real(to, sizeof value);
  enqueue([=] { std::memcpy(real, &value, sizeof value); });
}

void SimulatedStream::reserve_scratch(size_t bytes) {
  if (bytes > scratch_.bytes()) scratch_ = device_.allocate(bytes);
}

void SimulatedStream::launch(const DeviceKernel& kernel, std::byte* const* arguments,
                             std::byte* fault) {
  const auto& gpu = static_cast<const GpuDeviceKernel&>(kernel);
  TESSERA_CHECK(gpu.scratch_bytes <= scratch_.bytes()) << "reserve_scratch comes first";
  const auto& entries = *static_cast<std::vector<SimulatedBlock::Entry>*>(gpu.loaded.get());
  start_launches(*this, gpu, arguments, scratch_.place(), fault,
                 [&](const GpuLaunch& launch, const std::vector<std::byte*>& pointers) {
                   std::vector<void*> real;
                   for (std::byte* pointer : pointers) real.push_back(device_.real(pointer, 0));
                   const auto number = static_cast<size_t>(&launch - gpu.code->launches.data());
                   enqueue([this, entry = entries[number], &launch, real = std::move(real)] {
                     run_blocks(block_, entry, launch, real);
                   });
                 });
}

void SimulatedStream::record(DeviceEvent& event) {
  auto& simulated = static_cast<SimulatedEvent&>(event);
  enqueue([&simulated, time = simulated.ask()] { simulated.come(time); });
}

void SimulatedStream::wait_for(const DeviceEvent& event) {
  auto& simulated = const_cast<SimulatedEvent&>(static_cast<const SimulatedEvent&>(event));
  enqueue([&simulated, time = simulated.last_asked()] { simulated.await(time); });
}

}  // namespace tessera
