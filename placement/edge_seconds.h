#pragma once

#include <vector>

#include "placement/build_network.h"

namespace tessera {

// What one copy of an edge costs, row-major over the values of its two variables, whose domains
// `placement` has.
std::vector<double> edge_seconds(const NetworkInputs& inputs, const PlacementNetwork& placement,
                                 const Skeleton::Edge& edge);

}  // namespace tessera
