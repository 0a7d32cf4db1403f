#pragma once

#include <cstdint>

#include "base/array.h"
#include "ir/box.h"
#include "ir/program.h"

namespace tessera {

// Counter-based random numbers: pure functions of (seed, stream, counter), so that any partition
// and any order of evaluation gives the same numbers. Philox4x32-10 (Salmon, Moraes, Dror, Shaw:
// Parallel random numbers: as easy as 1, 2, 3; SC'11).
struct RandomBits {
  uint32_t word[4];
};
RandomBits philox(uint64_t seed, uint64_t stream, uint64_t counter);

// Uniform in [0, 1) with 24 bits; standard normal by Box and Muller's transform of two uniforms.
double uniform_value(uint64_t seed, uint64_t stream, uint64_t counter);
double normal_value(uint64_t seed, uint64_t stream, uint64_t counter);

// The initial values of a parameter or state within `box`, row-major in declared order. The stream
// is the tensor's name, the counter the element's row-major position in the whole tensor.
Array initial_values(const Program& program, const Tensor& tensor, uint64_t seed, const Box& box);
// The same of the whole of every parameter and state.
std::map<std::string, Array> initial_state(const Program& program, uint64_t seed);

}  // namespace tessera
