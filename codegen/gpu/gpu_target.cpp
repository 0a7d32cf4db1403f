#include "codegen/gpu/gpu_target.h"

#include <algorithm>

namespace tessera {
namespace {

int number_of(const std::string& arch) {
  return std::stoi(arch.substr(3));
}

}  // namespace

// NVIDIA's data sheets of the A100 (80 GB, SXM), H100 (SXM), H200 and HGX B200. `mma.sync` reaches
// the whole rate of an A100; an H100 was measured at 653 of its 989 TFLOP/s, which are those of
// `wgmma`, and an H200 is the same chip. Of a B200, whose rate is that of `tcgen05`, it is assumed
// that `mma.sync` has as much of a multiprocessor as on an H100: nobody has measured it here.
const std::vector<GpuTarget>& known_gpus() {
  static const std::vector<GpuTarget> gpus = {
      {"a100", "sm_80", 108, 2.039e12, int64_t{40} << 20, 19.5e12, 312e12, 4e-6, 163 << 10, 2048},
      {"h100", "sm_90", 132, 3.35e12, int64_t{50} << 20, 67e12, 650e12, 4e-6, 227 << 10, 2048},
      {"h200", "sm_90", 132, 4.8e12, int64_t{50} << 20, 67e12, 650e12, 4e-6, 227 << 10, 2048},
      {"b200", "sm_100", 148, 8e12, int64_t{126} << 20, 75e12, 730e12, 4e-6, 227 << 10, 2048}};
  return gpus;
}

std::optional<GpuTarget> gpu_of_kind(const std::string& kind) {
  for (const GpuTarget& gpu : known_gpus())
    if (gpu.kind == kind) return gpu;
  return std::nullopt;
}

GpuTarget gpu_of_arch(const std::string& arch) {
  GpuTarget best = known_gpus().front();
  for (const GpuTarget& gpu : known_gpus())
    if (number_of(gpu.arch) <= number_of(arch) && number_of(gpu.arch) > number_of(best.arch))
      best = gpu;
  best.arch = arch;
  return best;
}

}  // namespace tessera
