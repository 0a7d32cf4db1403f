#pragma once

#include "placement/build_network.h"

namespace tessera {

// Takes from the domains of nests the values that another one dominates: never slower, in whatever
// forms the tensors around are, and neither its operands nor its result take more bytes. What
// forms these are, `placement` knows; its network is not made yet. Of values that dominate each
// other, the first stays.
void drop_dominated_choices(const NetworkInputs& inputs, PlacementNetwork& placement);

}  // namespace tessera
