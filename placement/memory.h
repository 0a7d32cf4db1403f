#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "partition/sharded_program.h"
#include "placement/build_network.h"

namespace tessera {

// What one rank holds at the fullest moment of a step, counted as the runtime lays out its arena:
// 64-byte granules; inputs, parameters, states and outputs for the whole step; anything else from
// where it is made to its last use; a collective also holds a staging copy; a new value of a
// parameter takes no room where it can replace the old one in place. Fusion may need less.
struct MemoryUse {
  struct Holding {
    std::string tensor;
    int64_t bytes = 0;
  };
  int64_t peak = 0;
  int64_t kept = 0;               // inputs, parameters, states, outputs
  std::string at;                 // what the fullest step computes or moves
  std::vector<Holding> holdings;  // at the peak, largest first
};

MemoryUse memory_of(const ShardedProgram& program);

// Rows for a search under a limit, one for each nest at which much is alive.
enum class RowKind {
  estimate,   // stored tensors, and every live tensor in the form in which it was made
  relaxation  // stored tensors, and what the nest reads and writes: never more than memory_of
              // counts, so that a bound under these rows is a bound under the limit
};
void add_memory_rows(PlacementNetwork& placement, const ProgramRules& rules, const Mesh& mesh,
                     double limit, RowKind kind);

}  // namespace tessera
