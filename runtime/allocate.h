#pragma once

#include <cstddef>
#include <vector>

#include "runtime/precedence.h"

namespace tessera {

// A buffer of one step and the tasks that touch it.
struct BufferRequest {
  size_t bytes = 0;
  std::vector<int> users;
  bool whole_step = false;  // keeps its contents from step to step
};

struct Allocation {
  std::vector<size_t> offsets;  // one for each request, multiples of kBufferAlignment
  size_t bytes = 0;             // of the whole arena
};

inline constexpr size_t kBufferAlignment = 64;

// Gives each buffer a fixed place in one arena. Two buffers share bytes only when every user of one
// surely ends before any user of the other starts, whichever streams they run on. Largest first,
// each at the lowest offset that is free (greedy by size: Pisarchyk and Lee, 2020).
Allocation allocate(const std::vector<BufferRequest>& requests, const Precedence& precedence);

}  // namespace tessera
