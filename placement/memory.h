#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "partition/sharded_program.h"

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
  int64_t kept = 0;                 // inputs, parameters, states, outputs
  std::string at;                   // what the fullest step computes or moves
  std::vector<Holding> holdings;    // at the peak, largest first
  std::vector<int64_t> over_steps;  // held while each step runs, those of a loop as one
};

MemoryUse memory_of(const ShardedProgram& program);

}  // namespace tessera
