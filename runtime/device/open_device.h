#pragma once

#include <memory>

#include "codegen/compile.h"
#include "runtime/device/device.h"
#include "runtime/device/device_kind.h"

namespace tessera {

// What a rank of a job asks for.
struct DeviceRequest {
  DeviceKind kind = DeviceKind::cpu;
  CollectivesKind collectives = CollectivesKind::automatic;
  int threads = 0;     // of a CPU, that compute; 0: one for each usable core
  int local_rank = 0;  // which of the ranks of its machine this one is
  int local_ranks = 1;
  bool one_process = true;  // ranks are threads of this one
};

// The device of a rank. Where a machine has fewer GPUs than ranks, they share them in turn.
// `compiler` makes kernels for a CPU, and must outlive it. DeviceError that says what there is
// where there is no such device, UserError where NCCL is asked for and cannot be used. Together.
std::unique_ptr<ComputeDevice> open_device(const DeviceRequest& request, Compiler& compiler,
                                           Communicator& world);

}  // namespace tessera
