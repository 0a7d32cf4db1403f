#pragma once

#include "comm/call.h"

namespace tessera {

// Bytes of a vector so short that every rank reduces all of it by itself.
inline constexpr size_t kReducedByAll = 4096;

// How the ranks of one MPI group do their collectives. Arguments are those of Communicator, held
// in `info`; the group has at least two ranks.
class Collectives {
 public:
  virtual ~Collectives() = default;
  // Waits for all ranks and compares their calls.
  virtual void agree(const CallInfo& info) = 0;
  virtual void broadcast(const CallInfo& info, void* data) = 0;
  virtual void all_gather(const CallInfo& info, const void* send, void* recv) = 0;
  virtual void all_reduce(const CallInfo& info, const void* send, void* recv) = 0;
  virtual void reduce_scatter(const CallInfo& info, const void* send, void* recv) = 0;
  virtual void all_to_all(const CallInfo& info, const void* send, void* recv) = 0;
};

}  // namespace tessera
