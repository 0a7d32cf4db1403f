#include "partition/random_plan.h"

#include <algorithm>

#include "ir/random.h"
#include "partition/manual_plan.h"
#include "partition/scopes.h"

namespace tessera {

Plan random_plan(const Program& normal, const Mesh& mesh, uint64_t seed) {
  uint64_t drawn = 0;
  const auto below = [&](size_t count) {
    return static_cast<size_t>(uniform_value(seed, 0, drawn++) * static_cast<double>(count));
  };
  const Scopes scopes(normal);
  std::vector<Pin> pins;
  for (const Tensor& tensor : normal.tensors()) {
    if (tensor.dims().empty() || mesh.count() == 0 || below(2) == 0) continue;
    const Dim& dim = tensor.dims()[below(tensor.dims().size())];
    const auto axis = static_cast<int>(below(static_cast<size_t>(mesh.count())));
    const bool pinned = std::any_of(normal.pins().begin(), normal.pins().end(),
                                    [&](const Pin& pin) { return pin.tensor == tensor.name(); });
    const Dims iterated = scopes.dims(scopes.of(tensor));
    if (tensor.role() == Role::definition || pinned || contains(iterated, dim)) continue;
    pins.push_back({tensor.name(), dim.name(), mesh.name(axis), {}});
  }
  return manual_plan(normal, mesh, pins);
}

}  // namespace tessera
