#pragma once

#include <string>
#include <vector>

#include "launcher/yaml.h"

namespace tessera {

// Changes to a configuration from the command line: `dotted.key=value`, the value in YAML.
//
//   tessera run quickstart.yaml train.epochs=2 plan.mesh.data=2 'program.hidden=[256, 256]'
//
// A step into a list is its index from 0. A scalar on the way is replaced by a map, so
// `plan.mesh.data=2` works over `mesh: auto`. Unknown keys are refused later, by whoever reads the
// tree, with "command line" as their place. Later overrides win.
YamlNode apply_overrides(const YamlNode& root, const std::vector<std::string>& overrides);

}  // namespace tessera
