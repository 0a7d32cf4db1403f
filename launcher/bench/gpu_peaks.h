#pragma once

#include "runtime/cuda/gpu_device.h"

namespace tessera {

// What the device does at most, measured: a kernel's share of these says how good it is.
struct GpuPeaks {
  double copy_bytes = 0;  // a second, read and written, of a copy that is larger than the caches
  double f32_flops = 0;   // a second, of fused multiply-adds
  double bf16_flops = 0;  // of mma.sync on bf16, summed in f32
};
GpuPeaks measure_gpu_peaks(const GpuDevice& device);

}  // namespace tessera
