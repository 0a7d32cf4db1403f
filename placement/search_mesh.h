#pragma once

#include <memory>
#include <optional>

#include "placement/folded_bound.h"
#include "placement/memory.h"
#include "placement/predict.h"
#include "placement/search_report.h"
#include "placement/solve.h"
#include "placement/templates.h"

namespace tessera {

struct MeshRequest {
  const ProgramRules& rules;
  const Skeleton& skeleton;
  const Mesh& mesh;
  const std::vector<Pin>& pins;
  const Prices& prices;
  double memory = 0;  // bytes per device
  uint64_t seed = 1;
  Reporter& report;
  bool recompute = true;  // to obey the limit
};

NetworkInputs inputs_of(const MeshRequest& request);

// The search on one mesh, a step after the other, so that steps on several meshes can be taken in
// turns. All work is counted in elementary additions.
class MeshSearch {
 public:
  explicit MeshSearch(const MeshRequest& request);  // builds the network

  // A first bound and a first plan, from templates and from what the bound suggests.
  void look(int passes);
  // Solves the network, within the memory.
  void solve_within(int64_t operations);
  // Seeks the fastest plan that obeys the limit, where the fastest of all does not.
  void fit(int64_t operations);
  // Some more passes of the bound, and what it then suggests.
  void raise_bound();
  // Solves the network with the few values of each decision that the bound suggests, and those of
  // the fastest assignment so far.
  void solve_promising(size_t values, int64_t operations);
  // Lowers the limit until nothing fits, for smallest().
  void seek_smallest(int64_t operations);
  // Lowers the fastest assignment so far, to see what memory it needs; keeps the plan if that is
  // there. Returns the peak, or 0 where that plan is kept already.
  double settle();

  const Mesh& mesh() const { return request_.mesh; }
  // Obeys the limit with what is computed again; provenance is empty. Its seconds by the network,
  // and where something is computed again by predict.h.
  const std::optional<Plan>& plan() const { return plan_; }
  const std::vector<Recomputation>& recomputed() const { return recomputed_; }
  const ShardedProgram& lowered() const { return *lowered_; }  // of the plan, on the first rank
  double seconds() const { return seconds_; }
  // Of an assignment of the network; provenance is empty.
  Plan plan_of(const Values& values) const;
  // What is fastest without regard to memory.
  const Values& fastest_values() const { return fastest_; }
  double fastest() const { return fastest_seconds_; }  // seconds, without regard to memory
  // No plan on this mesh that obeys the limit is faster.
  double bound() const { return bound_; }
  const MemoryUse& smallest() const { return smallest_; }  // of the plans looked at
  const std::vector<Template>& templates() const { return templates_; }
  const PlacementNetwork& placement() const { return placement_; }
  int64_t operations() const { return operations_; }  // done

 private:
  bool folded() const;
  void note(double bound) { bound_ = std::max(bound_, bound); }
  Solution solve_rows(double limit, bool relaxed, int64_t operations);
  void remember(const Values& values, double seconds);
  double consider(const Values& values, double seconds);
  void recompute(const Plan& plan);
  void look_at(const MemoryUse& use);
  void try_from(Values values);

  const MeshRequest request_;
  PlacementNetwork placement_;
  std::unique_ptr<FoldedBound> dual_;
  std::vector<Template> templates_;
  std::vector<Values> starts_;
  Values fastest_;  // without regard to memory
  double fastest_seconds_ = kForbidden;
  std::optional<Plan> plan_;
  std::vector<Recomputation> recomputed_;
  std::optional<ShardedProgram> lowered_;
  double seconds_ = kForbidden;
  double bound_ = 0;
  MemoryUse smallest_;
  int64_t operations_ = 0;
};

}  // namespace tessera
