#pragma once

#include <functional>
#include <string>

#include "comm/nccl/nccl_library.h"

namespace tessera {

// NCCL for ranks that are threads of one process and GPUs that are simulated: the functions of
// NcclLibrary, over memory of the host, in rank order. Like NCCL's, calls return before their work
// is done, which is put into a stream; groups of calls run together; a rank whose peers do not come
// stays in the stream until it is aborted. So what NcclCommunicator does is tested without a GPU.

// What a stream is to these functions: `NcclLibrary::Stream` is a pointer to one.
class SimulatedNcclStream {
 public:
  virtual ~SimulatedNcclStream() = default;
  virtual void enqueue(std::function<void()> work) = 0;
  // Where the bytes at a place of the device lie.
  virtual std::byte* real_place(const void* place, size_t bytes) = 0;
};

const NcclLibrary& simulated_nccl();

// From the next call on, what this rank's groups of `ranks` ranks do ends in an asynchronous error,
// as on a broken link; -1: of no rank any more.
void break_simulated_nccl(int rank);
// This rank's calls never end.
void stall_simulated_nccl(int rank);

}  // namespace tessera
