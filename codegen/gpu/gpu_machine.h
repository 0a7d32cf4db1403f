#pragma once

#include <cstdint>

namespace tessera {

// What code for GPUs is emitted for: NVIDIA's PTX, or this host, where gpu/simulate.h runs it
// thread by thread.
enum class GpuMachine : uint8_t { ptx, simulated };

}  // namespace tessera
