#pragma once

#include <cstddef>
#include <functional>

#include "base/array.h"
#include "ir/box.h"

namespace tessera {

// A box of a row-major array, and its inverse.
Array cut(const Array& whole, const Box& box);
void paste(const Array& part, const Box& box, Array& whole);

// Calls body(offset in the array, elements) for each contiguous run of the box, in order:
//
//   each_run({3, 4}, {{1, 0}, {3, 2}}, body);      // body(4, 2), body(8, 2)
void each_run(const std::vector<int64_t>& whole, const Box& box,
              const std::function<void(size_t offset, size_t count)>& body);

}  // namespace tessera
