#pragma once

#include <algorithm>

#include "partition/manual_plan.h"
#include "partition/scopes.h"
#include "tests/ir/random_program.h"

namespace tessera {

// A plan that splits as much as it can in some way that the seed picks.
inline Plan random_plan(const Program& normal, const Mesh& mesh, uint64_t seed) {
  RandomSource random(seed);
  const Scopes scopes(normal);
  std::vector<Pin> pins;
  for (const Tensor& tensor : normal.tensors()) {
    if (tensor.dims().empty() || !random.chance(0.5)) continue;
    const Dim& dim =
        tensor.dims()[static_cast<size_t>(random.below(static_cast<int>(tensor.dims().size())))];
    const int axis = random.below(mesh.count());
    const bool pinned = std::any_of(normal.pins().begin(), normal.pins().end(),
                                    [&](const Pin& pin) { return pin.tensor == tensor.name(); });
    const Dims iterated = scopes.dims(scopes.of(tensor));
    if (tensor.role() == Role::definition || pinned || contains(iterated, dim)) continue;
    pins.push_back({tensor.name(), dim.name(), mesh.name(axis), {}});
  }
  return manual_plan(normal, mesh, pins);
}

}  // namespace tessera
