#pragma once

#include "comm/nccl/nccl_library.h"
#include "runtime/device/device.h"

namespace tessera {

// A group whose calls take places on GPUs, made of one whose calls take the host's: by NCCL, or
// where `nccl` is nullptr over memory of the host (staged_communicator.h). Together.
std::unique_ptr<Communicator> gpu_collectives(std::unique_ptr<Communicator> group,
                                              ComputeDevice& device, DeviceStream& stream,
                                              const NcclLibrary* nccl);

}  // namespace tessera
