#pragma once

#include <cstdint>
#include <string>

namespace tessera {

// Memory that may be used, in bytes, and what sets the limit: "the machine's memory".
struct MemoryLimit {
  int64_t total = 0;
  int64_t available = 0;  // of it, now
  std::string source;
};

// For all processes of this host together: its memory, or less where a container (control group,
// version 1 or 2) may use less. Page cache that can be dropped is available. `root` is put before
// the paths of /proc and /sys, for tests.
MemoryLimit host_memory(const std::string& root = "");

// For this process alone: its address space (ulimit -v). Without a limit, very much.
MemoryLimit process_memory();

// To be called before something large is allocated. Throws DeviceError, saying what is needed, what
// there is and what to change, unless `bytes` are available:
//
//   require_memory(bytes, "the array x.npy", "use a smaller one");
void require_memory(int64_t bytes, const std::string& what, const std::string& remedy);

}  // namespace tessera
