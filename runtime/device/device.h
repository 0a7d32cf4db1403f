#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "codegen/kernel_group.h"
#include "comm/communicator.h"

namespace tessera {

// What runs a rank's kernels, and where its tensors lie: this host (host_device.h), an NVIDIA GPU
// (cuda/cuda_device.h), or a GPU that is simulated (simulated_device.h). A place in the memory of a
// device is a `std::byte*` that nobody but the device goes to; the host does so only where
// ComputeDevice::on_host allows it.
//
//   DeviceMemory memory = device.allocate(bytes, "the step");
//   std::unique_ptr<DeviceStream> stream = device.make_stream();
//   stream->to_device(memory.place(), numbers, bytes);
//   stream->launch(*kernel, places, fault);
//   stream->to_host(numbers, memory.place(), bytes);
//   stream->wait();                                       // now they are there

// A block of memory, of a device or of the host, given back at the end.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(std::byte* place, size_t bytes, std::function<void()> release)
      : place_(place), bytes_(bytes), release_(std::move(release)) {}
  ~DeviceMemory() {
    if (release_) release_();
  }
  DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    swap(other);
    return *this;
  }

  std::byte* place() const { return place_; }
  std::byte* at(size_t offset) const { return place_ + offset; }
  size_t bytes() const { return bytes_; }

 private:
  void swap(DeviceMemory& other) noexcept {
    std::swap(place_, other.place_);
    std::swap(bytes_, other.bytes_);
    std::swap(release_, other.release_);
  }

  std::byte* place_ = nullptr;
  size_t bytes_ = 0;
  std::function<void()> release_;
};

// A kernel group as a device runs it. Of the device that compiled it.
struct DeviceKernel {
  virtual ~DeviceKernel() = default;

  std::vector<Tensor> arguments;    // inputs, then outputs
  std::vector<std::string> faults;  // by code - 1 (codegen/fault.h)
  size_t scratch_bytes = 0;         // that a stream must have for it
};

struct KernelSource {
  KernelGroup group;
  // Of the inputs, then the outputs: those that may lie at any address that their elements divide.
  // The others lie at multiples of 64.
  std::vector<char> loose;
};

// A moment in a stream. Of the device that made it.
class DeviceEvent {
 public:
  virtual ~DeviceEvent() = default;
};

// Work in order. Calls return at once or when the work is done; the host's memory that copies name
// stays as it is until wait() has returned. One thread at a time; streams of a device run beside
// each other. An error of the work is thrown by a later call.
class DeviceStream {
 public:
  virtual ~DeviceStream() = default;

  virtual void to_device(std::byte* to, const void* from, size_t bytes) = 0;
  virtual void to_host(void* to, const std::byte* from, size_t bytes) = 0;
  virtual void copy(std::byte* to, const std::byte* from, size_t bytes) = 0;
  // `rows` pieces of `bytes` each, `from_step` apart there and `to_step` apart here.
  virtual void copy_rows(std::byte* to, size_t to_step, const std::byte* from, size_t from_step,
                         size_t bytes, size_t rows) = 0;
  virtual void set_word(std::byte* to, int32_t value) = 0;
  // Room for kernels that need this much scratch.
  virtual void reserve_scratch(size_t bytes) = 0;
  virtual size_t scratch_bytes() const = 0;
  // `fault` is the place of an i64 that stays as it is unless the kernel reports one.
  virtual void launch(const DeviceKernel& kernel, std::byte* const* arguments,
                      std::byte* fault) = 0;
  virtual void record(DeviceEvent& event) = 0;
  // What comes later in this stream waits for what was recorded last in another one.
  virtual void wait_for(const DeviceEvent& event) = 0;
  // The host waits for all of it; asks whether all of it is done.
  virtual void wait() = 0;
  virtual bool done() = 0;
  // The stream as libraries of the device take it, whose calls this thread may make next.
  virtual void* handle() = 0;
};

class ComputeDevice {
 public:
  virtual ~ComputeDevice() = default;

  virtual std::string name() const = 0;  // "NVIDIA H100 80GB HBM3, sm_90"
  // How nests become kernels here, as fuse() says.
  virtual std::vector<KernelGroup> groups(const std::vector<Nest>& nests,
                                          const std::set<Tensor>& needed_outside) const = 0;
  virtual std::vector<std::unique_ptr<DeviceKernel>> compile(
      const std::vector<KernelSource>& sources) = 0;
  // As allocate(), for `what`, after the ranks have seen that what all of them need fits: else
  // every rank throws DeviceError. Together.
  virtual DeviceMemory allocate_together(Communicator& world, size_t bytes,
                                         const std::string& what) = 0;
  // Aligned to 256. Throws DeviceError where there is not that much.
  virtual DeviceMemory allocate(size_t bytes) = 0;
  // Memory of the host that copies are made from and to in one go.
  virtual DeviceMemory allocate_on_host(size_t bytes) = 0;
  virtual std::unique_ptr<DeviceStream> make_stream() = 0;
  virtual std::unique_ptr<DeviceEvent> make_event() = 0;
  // Where the host may read and write what lies at `place`; nullptr: it may not.
  virtual std::byte* on_host(std::byte* place) const = 0;
  // A group whose calls take places on this device, made of one whose calls take the host's. What
  // is sent is read, and what comes is written, in the order of `stream`.
  virtual std::unique_ptr<Communicator> collectives(std::unique_ptr<Communicator> group,
                                                    DeviceStream& stream) = 0;
};

}  // namespace tessera
