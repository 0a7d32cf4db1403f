#pragma once

#include <vector>

#include "partition/rules.h"

namespace tessera {

// For each nest, the choices that a search should try for an axis: `none`, every loop longer than
// one, every gather, and passing on partial values where an operand can be partial so at all: at
// most `most_passes`, the smallest sets first. `nests` are in program order.
std::vector<std::vector<Choice>> useful_choices(const std::vector<NestRules>& nests,
                                                size_t most_passes = 3);

}  // namespace tessera
