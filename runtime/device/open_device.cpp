#include "runtime/device/open_device.h"

#include "base/error.h"
#include "comm/nccl/simulated_nccl.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/device/host_device.h"
#include "runtime/device/simulated_device.h"

namespace tessera {
namespace {

int count_gpus_here() {
  try {
    const int count = count_gpus();
    if (count == 0) throw DeviceError("the NVIDIA driver finds no GPU");
    return count;
  } catch (const DeviceError& error) {
    throw DeviceError("device gpu: " + std::string(error.what()) +
                      " (devices that every machine has: cpu, and simulated, which is slow)");
  }
}

// nullptr where a rank has no NCCL, or shares its GPU. Together.
const NcclLibrary* nccl_of(const DeviceRequest& request, int gpus, Communicator& world) {
  if (request.collectives == CollectivesKind::staged || world.size() == 1) return nullptr;
  std::string problem;
  if (request.local_ranks > gpus)
    problem = std::to_string(request.local_ranks) + " ranks share " + std::to_string(gpus) +
              " GPUs, and NCCL wants one for each";
  try {
    if (problem.empty()) nccl_library();
  } catch (const DeviceError& error) {
    problem = error.what();
  }
  const int32_t mine = problem.empty() ? 1 : 0;
  int32_t all = 0;
  world.set_context("comparing which ranks have NCCL");
  world.all_reduce(&mine, &all, 1, DType::i32, ReduceOp::min);
  if (all != 0) return &nccl_library();
  if (request.collectives == CollectivesKind::nccl)
    throw UserError(
        "collectives by NCCL: " + (problem.empty() ? "another rank has no use of it" : problem) +
        "; allowed: auto, staged");
  return nullptr;
}

const NcclLibrary* simulated_nccl_of(const DeviceRequest& request, const Communicator& world) {
  if (request.collectives != CollectivesKind::nccl || world.size() == 1) return nullptr;
  if (!request.one_process)
    throw UserError(
        "collectives by NCCL: of simulated GPUs it joins ranks that are threads of one "
        "process: use the transport local, or collectives auto or staged");
  return &simulated_nccl();
}

}  // namespace

std::unique_ptr<ComputeDevice> open_device(const DeviceRequest& request, Compiler& compiler,
                                           Communicator& world) {
  switch (request.kind) {
    case DeviceKind::cpu:
      break;
    case DeviceKind::gpu: {
      const int gpus = count_gpus_here();
      return std::make_unique<CudaDevice>(request.local_rank % gpus, nccl_of(request, gpus, world));
    }
    case DeviceKind::simulated:
      return std::make_unique<SimulatedDevice>(simulated_nccl_of(request, world));
  }
  return std::make_unique<HostDevice>(compiler, request.threads);
}

}  // namespace tessera
