#pragma once

#include <cstdint>

#include "base/array.h"
#include "base/philox.h"
#include "ir/box.h"
#include "ir/program.h"

namespace tessera {

// Draws by the counter (base/philox.h): uniform in [0, 1) with 24 bits; standard normal by Box and
// Muller's transform of two uniforms.
double uniform_value(uint64_t seed, uint64_t stream, uint64_t counter);
double normal_value(uint64_t seed, uint64_t stream, uint64_t counter);

// The initial values of a parameter or state within `box`, row-major in declared order. The stream
// is the tensor's name, the counter the element's row-major position in the whole tensor.
Array initial_values(const Program& program, const Tensor& tensor, uint64_t seed, const Box& box);
// The same of the whole of every parameter and state.
std::map<std::string, Array> initial_state(const Program& program, uint64_t seed);

}  // namespace tessera
