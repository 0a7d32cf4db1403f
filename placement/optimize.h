#pragma once

#include <optional>
#include <vector>

#include "base/error.h"
#include "partition/plan.h"
#include "placement/cluster.h"
#include "placement/compare.h"
#include "placement/cost_model.h"
#include "placement/memory.h"
#include "placement/search_report.h"

namespace tessera {

// Work of a search that takes about so many seconds on one core. Work is what bounds a search, so
// that the same seconds give the same plan on every machine.
int64_t operations_in(double seconds);

// What a user asks of a plan beyond the program's own pins.
struct PlanRequest {
  std::optional<Mesh> mesh;       // nothing: chosen, see mesh_shapes.h
  std::optional<int64_t> memory;  // bytes per device; nothing: what the cluster's devices have
  std::vector<Pin> pins;
  bool recompute = true;         // may compute definitions twice, to obey the limit (recompute.h)
  KernelSeconds kernel_seconds;  // empty: a roofline
  // Axes of a chosen mesh. With three, the search takes seconds, and the bound may stay open.
  int most_axes = 2;
  int64_t operations = 2'000'000'000;  // work of the whole search, in elementary additions
  uint64_t seed = 1;
  size_t decisions = 600;  // programs of more nests are folded: likes are decided alike, likeness.h
  SearchReport report;
};

// No plan obeys the limit, as far as was searched. The text says all of this, too.
class NoPlanFits : public UserError {
 public:
  NoPlanFits(const SourceLocation& program, const std::string& text, MemoryUse smallest_found,
             Mesh of, std::optional<int> number)
      : UserError(program, text),
        smallest(std::move(smallest_found)),
        mesh(std::move(of)),
        devices(number) {}

  MemoryUse smallest;          // least peak of all plans that were looked at
  Mesh mesh;                   // on which it is
  std::optional<int> devices;  // so many would do, if that was looked for and found
};

// The plan of least predicted time per step: for each mesh shape a cost-function network
// (build_network.h) is solved (solve.h), the memory limit is checked against what lowering needs,
// and the best is taken. predicted.lower_bound_seconds holds for all meshes that were tried.
// Provenance says who chose each placement and, for the optimizer's, what the next best would cost.
//
// `normal` is in normal form. The same arguments give the same plan in every process (only
// predicted.search_seconds differs). Throws UserError for pins that name nothing, or clash, and
// NoPlanFits when no plan fits into memory, with the smallest peak found, what fills it, where that
// stands in the program, and what would fit.
Plan optimize(const Program& normal, const Cluster& cluster, const PlanRequest& request = {});

// The same plan, and beside it what else was looked at: the best that was found on each of the
// `count` other meshes that come nearest, and the best of each template; what takes least first.
struct Planned {
  Plan plan;
  std::vector<Alternative> alternatives;
};
Planned optimize_beside(const Program& normal, const Cluster& cluster, const PlanRequest& request,
                        size_t count);

}  // namespace tessera
