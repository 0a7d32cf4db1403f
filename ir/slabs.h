#pragma once

#include <functional>

#include "ir/box.h"

namespace tessera {

// Cuts a tensor into boxes that follow one another in a row-major array without gaps, each of at
// most `most` elements: for passing through memory what is larger than that.
//
//   each_slab({3, 4}, 8, body);   // body({{0, 0}, {2, 4}}), body({{2, 0}, {3, 4}})
//   each_slab({3, 4}, 3, body);   // two of a row, of 3 elements and of 1, for each row
void each_slab(const std::vector<int64_t>& shape, int64_t most,
               const std::function<void(const Box& slab)>& body);

}  // namespace tessera
