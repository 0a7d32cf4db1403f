#pragma once

#include <string>
#include <vector>

#include "placement/build_network.h"

namespace tessera {

// The strategies that people write by hand, as starts of a search and to compare plans with. Each
// says how inputs, parameters and states are kept; nests and what they make follow greedily, each
// taking what is cheapest in view of what was decided before it, and then of all others.
//
//   data parallel   inputs are split along their first dim over all axes
//   fully sharded   the same, and parameters and states are kept in parts
//   Megatron        inputs over all axes but the last; over that one, parameters and states along
//                   the dim that most parameters have, but for the one that nearly all have: heads,
//                   hidden units, words (after Shoeybi et al., "Megatron-LM", 2019)
//   2D              the last two together
struct Template {
  std::string name;
  Values values;
  double seconds;  // by the network
};

// Those that make sense on the mesh; none under pins.
std::vector<Template> templates_on(const NetworkInputs& inputs, const PlacementNetwork& placement);

// Changes single decisions, those in `fixed` excepted, while that makes the whole cheaper; at most
// `sweeps` times through all.
void improve_one_by_one(const Network& network, const std::vector<char>& fixed, int sweeps,
                        Values& values);

}  // namespace tessera
