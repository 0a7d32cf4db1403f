#pragma once

#include <string>
#include <vector>

#include "codegen/build_kernel.h"

namespace tessera {

// One thing that a kernel's schedule says, for people.
//
//   {"tile", "8 rows x 3 vectors of 16 lanes"}
struct ScheduleFact {
  std::string what;
  std::string text;
};

// How the kernel is built: tile, blocks, order of loops, how operands reach it, chunks; or stages
// with their loops, lanes and loads. A label may come more than once, as "stage" does.
std::vector<ScheduleFact> explain(const KernelForm& form);

// "tiled contraction" or "loop nest"
std::string kind_of(const KernelForm& form);

}  // namespace tessera
