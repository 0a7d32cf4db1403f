#pragma once

#include <string>
#include <vector>

#include "codegen/kernel_form.h"

namespace tessera {

// One thing that a kernel's schedule says, for people.
//
//   {"tile", "8 rows x 3 vectors of 16 lanes"}
struct ScheduleFact {
  std::string what;
  std::string text;
};

// How the kernel is built: tile, blocks, order of loops, how operands reach it, chunks; or stages
// with their loops, lanes and loads; or blocks, and this for each of their parts. A label may come
// more than once, as "stage" does.
std::vector<ScheduleFact> explain(const KernelForm& form);

// "tiled contraction", "loop nest" or "blocks"
std::string kind_of(const KernelForm& form);

}  // namespace tessera
