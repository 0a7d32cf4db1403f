#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

// A kind of GPU that kernels are made and priced for. Rates are those of data sheets, of dense
// products, without the higher clocks that a device may reach for a while.
//
//   gpu_of_kind("h100")    sm_90, 132 multiprocessors, 3.35 TB/s, …
struct GpuTarget {
  std::string kind = "h100";
  std::string arch = "sm_90";
  int multiprocessors = 132;
  double memory_bandwidth = 3.35e12;  // bytes per second
  int64_t cache_bytes = 50 << 20;     // of the second level
  double f32_flops = 67e12;           // per second
  // Products of bf16 and f16 on units for matrices, two operations each, as `mma.sync` reaches
  // them; of bytes there are twice as many.
  double matrix_flops = 650e12;
  double launch_seconds = 4e-6;
  // Of a multiprocessor: shared memory that its blocks may have, and threads.
  int64_t shared_bytes = 227 << 10;
  int threads = 2048;

  bool operator==(const GpuTarget&) const = default;
};

// "a100", "h100", "h200", "b200"; nothing for another one.
std::optional<GpuTarget> gpu_of_kind(const std::string& kind);
const std::vector<GpuTarget>& known_gpus();

// What is known of devices of "sm_80" and so on: the first kind with the latest architecture that
// is not beyond it.
GpuTarget gpu_of_arch(const std::string& arch);

}  // namespace tessera
