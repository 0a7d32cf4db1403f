#pragma once

#include <vector>

#include "base/array.h"
#include "partition/sharded_program.h"

namespace tessera {

// What one member of a group brings to a collective.
struct Contribution {
  const CommStep* step;  // its own
  const Array* input;
};

// What the member whose step is `mine` gets: the reference meaning of a CommStep. Members in the
// order of the group. Reductions combine in that order. In `loops` loops, arrays hold the part of
// one iteration: their first `loops` extents are 1.
Array exchange(const CommStep& mine, const std::vector<Contribution>& members, size_t loops = 0);

}  // namespace tessera
