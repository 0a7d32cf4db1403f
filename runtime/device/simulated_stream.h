#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "base/work_queue.h"
#include "codegen/gpu/simulated_block.h"
#include "comm/nccl/simulated_nccl.h"
#include "runtime/device/simulated_device.h"

namespace tessera {

// A stream of a simulated GPU: a thread that does what is put into a queue.
class SimulatedStream : public DeviceStream, public SimulatedNcclStream {
 public:
  explicit SimulatedStream(SimulatedDevice& device);

  void to_device(std::byte* to, const void* from, size_t bytes) override;
  void to_host(void* to, const std::byte* from, size_t bytes) override;
  void copy(std::byte* to, const std::byte* from, size_t bytes) override;
  void copy_rows(std::byte* to, size_t to_step, const std::byte* from, size_t from_step,
                 size_t bytes, size_t rows) override;
  void set_word(std::byte* to, int32_t value) override;
  void reserve_scratch(size_t bytes) override;
  size_t scratch_bytes() const override { return scratch_.bytes(); }
  void launch(const DeviceKernel& kernel, std::byte* const* arguments, std::byte* fault) override;
  void record(DeviceEvent& event) override;
  void wait_for(const DeviceEvent& event) override;
  void wait() override { queue_.wait(); }
  bool done() override { return queue_.done(); }
  void* handle() override { return static_cast<SimulatedNcclStream*>(this); }

  // Puts work behind what there is; wait() and done() throw the first error of any.
  void enqueue(std::function<void()> work) override { queue_.enqueue(std::move(work)); }
  std::byte* real_place(const void* place, size_t bytes) override {
    return device_.real(static_cast<const std::byte*>(place), bytes);
  }

 private:
  SimulatedDevice& device_;
  DeviceMemory scratch_;
  SimulatedBlock block_;
  WorkQueue queue_;  // ends first
};

// Counts how often it was asked for and how often it has come.
class SimulatedEvent : public DeviceEvent {
 public:
  int64_t ask();
  void come(int64_t time);
  // Until what was asked for last before this call, `last_asked()`, has come.
  void await(int64_t time);
  int64_t last_asked() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int64_t asked_ = 0, come_ = 0;
};

}  // namespace tessera
