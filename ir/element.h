#pragma once

#include "base/array.h"
#include "ir/scalar.h"

namespace tessera {

// One element of an array as a scalar of the array's type, and back. `i` counts in row-major order
// and must be inside.
Scalar load(const Array& array, size_t i);
void store(Array& array, size_t i, const Scalar& value);

}  // namespace tessera
