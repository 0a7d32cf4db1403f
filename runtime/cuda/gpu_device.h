#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "codegen/gpu/gpu_kernel.h"
#include "runtime/cuda/driver.h"

namespace tessera {

// A GPU of this machine. What is loaded on it belongs to the threads that use() it; the one that
// makes it does.
class GpuDevice {
 public:
  // Of 0, 1, … Throws DeviceError where there is none of this number.
  explicit GpuDevice(int number = 0);
  ~GpuDevice();
  GpuDevice(const GpuDevice&) = delete;
  GpuDevice& operator=(const GpuDevice&) = delete;

  const std::string& name() const { return name_; }
  const std::string& arch() const { return arch_; }  // "sm_90"
  int multiprocessors() const { return multiprocessors_; }
  int64_t cache_bytes() const { return cache_bytes_; }  // of the second level
  int64_t memory_bytes() const;
  // For kernels: what is known of its architecture, with its own multiprocessors and cache.
  GpuTarget target() const;

  // Lets the calling thread work with it.
  void use() const;
  CudaDriver::Handle context() const { return context_; }

  // Seconds of each of `runs` runs of what `launch` launches, between events on the device.
  std::vector<double> time(int runs, const std::function<void()>& launch) const;
  void wait() const;

 private:
  const CudaDriver& driver_;
  int device_ = 0;
  CudaDriver::Handle context_ = nullptr;
  std::string name_, arch_;
  int multiprocessors_ = 0;
  int64_t cache_bytes_ = 0;
};

// How many GPUs this machine has. Throws DeviceError where there is no driver.
int count_gpus();
// Of CUDA, that the driver knows: "13.0". Throws likewise.
std::string cuda_version();

// Memory of the device. Of 0 bytes: none.
class GpuMemory {
 public:
  explicit GpuMemory(size_t bytes);
  ~GpuMemory();
  GpuMemory(GpuMemory&& other) noexcept;
  GpuMemory& operator=(GpuMemory&&) = delete;
  GpuMemory(const GpuMemory&) = delete;

  CudaDriver::Pointer place() const { return place_; }
  size_t bytes() const { return bytes_; }
  void write(const void* from);
  void read(void* to) const;
  void fill(unsigned char value);

 private:
  CudaDriver::Pointer place_ = 0;
  size_t bytes_ = 0;
};

// PTX, assembled by the driver. Throws DeviceError with the assembler's words where it refuses.
class GpuModule {
 public:
  explicit GpuModule(const std::string& ptx);
  ~GpuModule();
  GpuModule(GpuModule&& other) noexcept;
  GpuModule& operator=(GpuModule&&) = delete;
  GpuModule(const GpuModule&) = delete;

  // Of a kernel whose parameters are all pointers.
  CudaDriver::Handle function(const std::string& symbol) const;
  static void launch(CudaDriver::Handle function, int64_t blocks, int threads,
                     std::vector<CudaDriver::Pointer> arguments, CudaDriver::Handle stream);
  void launch(const std::string& symbol, int64_t blocks, int threads,
              std::vector<CudaDriver::Pointer> arguments) const;

 private:
  CudaDriver::Handle module_ = nullptr;
};

// A kernel group on the device, with its workspaces.
class LoadedGpuKernel {
 public:
  explicit LoadedGpuKernel(GpuKernel kernel);

  // Starts all launches; `arguments` are those of the group, `fault` the word that it reports in.
  void run(const std::vector<CudaDriver::Pointer>& arguments, CudaDriver::Pointer fault) const;
  const GpuKernel& kernel() const { return kernel_; }

 private:
  GpuKernel kernel_;
  GpuModule module_;
  std::vector<GpuMemory> workspaces_;
};

}  // namespace tessera
