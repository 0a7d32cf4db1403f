#pragma once

#include <cstdint>
#include <string>

#include "comm/communicator.h"

namespace tessera {

// To be called by all ranks before each allocates `bytes`, for `what`. Throws DeviceError, on every
// rank, when those of one machine together need more than is available there, or those of one
// process more than its address space has left. Returns, on all ranks alike, whether every process
// has addresses for what the ranks of its machine need together, so that they may map each other's.
bool require_memory_together(Communicator& world, int64_t bytes, const std::string& what);

}  // namespace tessera
