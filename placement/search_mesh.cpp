#include "placement/search_mesh.h"

#include <algorithm>

#include "partition/lower.h"
#include "partition/manual_plan.h"

namespace tessera {
namespace {

// Plans that people would write: everything replicated, and the first dim of each input split.
std::vector<Values> template_values(const PlacementNetwork& placement, const MeshRequest& request) {
  std::vector<Values> result;
  if (!request.pins.empty()) return result;
  const Program& program = request.rules.program;
  std::vector<Plan> plans = {default_plan(program, request.mesh)};
  std::vector<Pin> pins;
  for (const Tensor& input : program.inputs())
    for (int axis = 0; axis < request.mesh.count() && !input.dims().empty(); ++axis)
      pins.push_back({input.name(), input.dims()[0].name(), request.mesh.name(axis), {}});
  if (!pins.empty()) plans.push_back(manual_plan(program, request.mesh, pins));
  for (const Plan& plan : plans)
    if (auto values = values_of(placement, plan, request.rules, request.prices.distances))
      result.push_back(*values);
  return result;
}

class Search {
 public:
  explicit Search(const MeshRequest& request)
      : request_(request), placement_(build_network(inputs_of(request))) {
    result_.mesh = request.mesh;
    options_.operations = request.operations;
    options_.starts = template_values(placement_, request);
  }

  MeshSearch run() {
    request_.report.doing("searching");
    Solution free = solve(placement_.network, options_);
    result_.stats = free.stats;
    result_.bound = free.bound;
    if (consider(free) <= request_.memory) return std::move(result_);
    request_.report.doing("searching within the memory");
    Solution relaxed = solve(with_rows(request_.memory, RowKind::relaxation).network, limited());
    result_.bound = std::max(result_.bound, relaxed.bound);
    if (relaxed.bound == kForbidden) {
      consider(solve_estimate(request_.memory));
      return std::move(result_);
    }
    // The rows' limit that gives a peak just below the true one lies between low and high.
    double low = 0, high = 2 * request_.memory, limit = request_.memory;
    for (int round = 0; round < kRounds && high - low > 0.01 * high; ++round) {
      Solution found = solve_estimate(limit);
      bool too_much = found.found() && consider(found) > request_.memory;
      (too_much ? high : low) = limit;
      if (found.found() && !too_much && found.cost <= result_.bound * (1 + 1e-6)) break;
      limit = low == 0 ? 0.8 * high : (low + high) / 2;
    }
    if (!result_.plan) seek_smallest();
    result_.bound = std::min(result_.bound, result_.seconds);
    return std::move(result_);
  }

  MemoryUse smallest() {
    consider(solve(placement_.network, options_));
    seek_smallest();
    return std::move(result_.smallest);
  }

 private:
  static constexpr int64_t kLimited = 16;  // the share of the work that a search under a limit gets
  static constexpr int kRounds = 6;

  SolveOptions limited() const {
    SolveOptions options = options_;
    options.operations = request_.operations / kLimited;
    return options;
  }

  // Lowers the rows' limit until nothing obeys it.
  void seek_smallest() {
    request_.report.doing("searching the least memory");
    double low = 0, high = 2 * static_cast<double>(result_.smallest.peak);
    for (int round = 0; round < 2 * kRounds; ++round) {
      double limit = (low + high) / 2;
      Solution found = solve_estimate(limit);
      if (found.found()) consider(found);
      (found.found() ? high : low) = limit;
    }
  }

  PlacementNetwork with_rows(double limit, RowKind kind) const {
    PlacementNetwork limited = placement_;
    add_memory_rows(limited, request_.rules, request_.mesh, limit, kind);
    return limited;
  }

  Solution solve_estimate(double limit) const {
    return solve(with_rows(limit, RowKind::estimate).network, limited());
  }

  // Keeps the plan if it obeys the limit and is the best so far. Returns its peak.
  double consider(const Solution& solution) {
    if (!solution.found()) return kForbidden;
    Plan plan = plan_of(placement_, solution.values, request_.rules.program, request_.mesh);
    MemoryUse use = memory_of(lower(request_.rules.program, plan, 0, {&request_.prices.comm}));
    double peak = static_cast<double>(use.peak);
    if (result_.smallest.peak == 0 || use.peak < result_.smallest.peak)
      result_.smallest = std::move(use);
    if (peak <= request_.memory && solution.cost < result_.seconds) {
      result_.seconds = solution.cost;
      result_.plan = std::move(plan);
    }
    return peak;
  }

  const MeshRequest& request_;
  PlacementNetwork placement_;
  SolveOptions options_;
  MeshSearch result_;
};

}  // namespace

NetworkInputs inputs_of(const MeshRequest& request) {
  return {request.rules,          request.mesh,           request.pins,
          request.prices.cluster, request.prices.kernels, request.prices.distances,
          request.report};
}

MeshSearch search_mesh(const MeshRequest& request) {
  return Search(request).run();
}

MemoryUse smallest_peak(const MeshRequest& request) {
  return Search(request).smallest();
}

}  // namespace tessera
