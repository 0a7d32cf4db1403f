#pragma once

#include <optional>

#include "placement/memory.h"
#include "placement/predict.h"
#include "placement/solve.h"

namespace tessera {

// The search on one mesh.
struct MeshSearch {
  Mesh mesh;
  std::optional<Plan> plan;  // obeys the limit; provenance is empty
  double seconds = kForbidden;
  double bound = 0;    // no plan on this mesh that obeys the limit is faster
  MemoryUse smallest;  // of the plans looked at, the one with the smallest peak
  SolveStats stats;
};

struct MeshRequest {
  const ProgramRules& rules;
  const Mesh& mesh;
  const std::vector<Pin>& pins;
  const Prices& prices;
  double memory = 0;  // bytes per device
  int64_t operations = 0;
  Reporter& report;
};

NetworkInputs inputs_of(const MeshRequest& request);

// Without rows first. When that plan needs too much memory, rows are added and tightened until what
// lowering needs obeys the limit.
MeshSearch search_mesh(const MeshRequest& request);

// The smallest peak on this mesh, sought by lowering the limit until nothing fits.
MemoryUse smallest_peak(const MeshRequest& request);

}  // namespace tessera
