#pragma once

#include <cstdint>

#include "ir/interpret.h"

namespace tessera {

// An array for every input of any program: floats in [-1, 1], integers in [-9, 9] or, where they
// index something, in the range that keeps every read inside. A pure function of its arguments.
Arrays random_inputs(const Program& program, uint64_t seed);

}  // namespace tessera
