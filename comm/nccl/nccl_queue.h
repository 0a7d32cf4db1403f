#pragma once

#include <cstddef>

#include "comm/nccl/nccl_library.h"

namespace tessera {

// The stream of a device as NcclCommunicator needs it. Whoever knows the device provides it
// (runtime/device/gpu_collectives.h).
class NcclQueue {
 public:
  virtual ~NcclQueue() = default;

  // As NCCL takes it. Before any call of NCCL: makes its device the current one of this thread.
  virtual NcclLibrary::Stream stream() = 0;
  // Is all done that was put into it? Throws what went wrong on the device.
  virtual bool done() = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  // Both wait until it is done.
  virtual void to_host(void* to, const void* from, size_t bytes) = 0;
  virtual void to_device(void* to, const void* from, size_t bytes) = 0;
};

}  // namespace tessera
