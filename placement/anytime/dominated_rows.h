#pragma once

#include <vector>

#include "placement/network.h"

namespace tessera {

// A network whose rows lie in spans, with fewer rows: where a neighbour's limit is no higher and
// everything takes as many bytes there or more, a row goes. What a variable takes at least leaves
// the limit, and its spans become disjoint.
//
//   limits 10 and 10, spans [0, 2) {4, 6} and [1, 2) {3, 5} of two variables
//   -> one row of limit 3, spans {0, 2} and {0, 2}
struct FewerRows {
  Network network;
  std::vector<int32_t> row;  // old row -> the row that stands for it
};
FewerRows drop_dominated_rows(const Network& network);

}  // namespace tessera
