#pragma once

#include <vector>

#include "partition/mesh.h"

namespace tessera {

// The names that a chosen mesh gives its axes, outermost first.
const std::vector<std::string>& axis_names();  // data, model, depth

// Every way to write `devices` as a product of at most `most_axes` factors above 1, in order, few
// axes first. One device: the mesh without axes. `wanted` axes are in every mesh: a pin to `model`
// alone asks for meshes that have it.
//
//   mesh_shapes(4, 2) == data=4, data=2,model=2
std::vector<Mesh> mesh_shapes(int devices, int most_axes,
                              const std::vector<std::string>& wanted = {});

}  // namespace tessera
