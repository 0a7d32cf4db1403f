#include "placement/search_mesh.h"

#include <algorithm>

#include "partition/lower.h"
#include "placement/memory_rows.h"
#include "placement/recompute.h"

namespace tessera {
namespace {

// Of finding the rows' limit that gives a peak just below the true one; where likes are decided
// alike.
constexpr int kRounds = 6;
constexpr int kFoldedRounds = 4;
constexpr int kSweeps = 20;
constexpr int kRecomputations = 3;  // until one obeys the limit

}  // namespace

NetworkInputs inputs_of(const MeshRequest& request) {
  return {request.rules,
          request.skeleton,
          request.mesh,
          request.pins,
          request.prices.cluster,
          request.prices.kernels,
          request.prices.distances,
          request.report};
}

MeshSearch::MeshSearch(const MeshRequest& request)
    : request_(request), placement_(build_network(inputs_of(request))) {}

bool MeshSearch::folded() const {
  return std::any_of(request_.skeleton.variables.begin(), request_.skeleton.variables.end(),
                     [](const Skeleton::Variable& variable) { return variable.copies > 1; });
}

void MeshSearch::try_from(Values values) {
  const std::vector<char> free(static_cast<size_t>(placement_.network.size()), 0);
  improve_one_by_one(placement_.network, free, kSweeps, values);
  const double seconds = cost_of(placement_.network, values);
  if (seconds < fastest_seconds_) starts_.push_back(values);
  remember(values, seconds);
}

void MeshSearch::look(int passes) {
  request_.report.doing("looking at templates");
  templates_ = templates_on(inputs_of(request_), placement_);
  for (const Template& each : templates_) try_from(each.values);
  dual_ = std::make_unique<FoldedBound>(placement_);
  note(dual_->ascend(passes));
  operations_ += passes * dual_->pass_operations();
  try_from(dual_->rounded());
}

void MeshSearch::raise_bound() {
  constexpr int kAtOnce = 5;
  note(dual_->ascend(kAtOnce));
  operations_ += kAtOnce * dual_->pass_operations();
  try_from(dual_->rounded());
}

namespace {

// A network with some values of each variable only.
Network restricted(const Network& network, const std::vector<std::vector<int32_t>>& kept) {
  Network result;
  for (int32_t v = 0; v < network.size(); ++v) {
    std::vector<double> costs;
    for (const int32_t x : kept[static_cast<size_t>(v)])
      costs.push_back(network.unary(v)[static_cast<size_t>(x)]);
    result.add_variable(costs);
  }
  for (const Network::Edge& edge : network.edges) {
    const auto columns = static_cast<size_t>(network.domain(edge.b));
    std::vector<double> table;
    for (const int32_t x : kept[static_cast<size_t>(edge.a)])
      for (const int32_t y : kept[static_cast<size_t>(edge.b)])
        table.push_back(
            network.tables[edge.table + static_cast<size_t>(x) * columns + static_cast<size_t>(y)]);
    result.add_edge(edge.a, edge.b, std::move(table));
  }
  return result;
}

}  // namespace

void MeshSearch::solve_promising(size_t values, int64_t operations) {
  request_.report.doing("searching what the bound suggests");
  std::vector<std::vector<int32_t>> kept = dual_->promising(values);
  Values start;
  for (size_t v = 0; v < kept.size(); ++v) {
    const auto at = std::lower_bound(kept[v].begin(), kept[v].end(), fastest_[v]);
    if (at == kept[v].end() || *at != fastest_[v]) kept[v].insert(at, fastest_[v]);
    start.push_back(static_cast<int32_t>(
        std::lower_bound(kept[v].begin(), kept[v].end(), fastest_[v]) - kept[v].begin()));
  }
  SolveOptions options;
  options.operations = operations;
  options.starts = {start};
  options.seed = request_.seed;
  const Solution found = solve(restricted(placement_.network, kept), options);
  operations_ += found.stats.operations;
  if (!found.found()) return;
  Values full;
  for (size_t v = 0; v < kept.size(); ++v)
    full.push_back(kept[v][static_cast<size_t>(found.values[v])]);
  try_from(full);
}

void MeshSearch::solve_within(int64_t operations) {
  request_.report.doing("searching");
  SolveOptions options;
  options.operations = operations;
  options.starts = starts_;
  options.seed = request_.seed;
  const Solution free = solve(placement_.network, options);
  operations_ += free.stats.operations;
  if (!folded()) note(free.bound);
  if (!free.found()) return;
  starts_.insert(starts_.begin(), free.values);
  remember(free.values, free.cost);
  if (settle() > request_.memory) fit(operations / 2);
}

// When the fastest plan needs too much memory, rows are added and tightened until what lowering
// needs obeys the limit.
void MeshSearch::fit(int64_t operations) {
  request_.report.doing("searching within the memory");
  const int rounds = folded() ? kFoldedRounds : kRounds;
  const int64_t each = operations / (rounds + 1);
  if (!folded()) {
    // Of plans that compute nothing again, of which none may fit.
    const Solution relaxed = solve_rows(request_.memory, true, each);
    if (!request_.recompute) note(relaxed.bound);
    if (relaxed.bound == kForbidden) return;
  }
  double low = 0, high = 2 * request_.memory, limit = request_.memory;
  for (int round = 0; round < rounds && high - low > 0.01 * high; ++round) {
    const Solution found = solve_rows(limit, false, each);
    const bool too_much = found.found() && consider(found.values, found.cost) > request_.memory;
    (too_much ? high : low) = limit;
    if (found.found() && !too_much && found.cost <= bound_ * (1 + 1e-6)) break;
    limit = low == 0 ? 0.8 * high : (low + high) / 2;
  }
}

void MeshSearch::seek_smallest(int64_t operations) {
  request_.report.doing("searching the least memory");
  if (smallest_.peak == 0) settle();
  // Of large programs, what was tried to be computed again has come lower than placements would.
  if (folded() && request_.recompute) return;
  const int rounds = folded() ? kFoldedRounds : 2 * kRounds;
  double low = 0, high = 2 * static_cast<double>(smallest_.peak);
  for (int round = 0; round < rounds; ++round) {
    const double limit = (low + high) / 2;
    const Solution found = solve_rows(limit, false, operations / rounds);
    if (found.found()) consider(found.values, found.cost);
    (found.found() ? high : low) = limit;
  }
}

Solution MeshSearch::solve_rows(double limit, bool relaxed, int64_t operations) {
  PlacementNetwork limited = placement_;
  add_memory_rows(limited, request_.rules, request_.mesh, limit,
                  relaxed ? RowKind::relaxation : RowKind::estimate, fastest_);
  SolveOptions options;
  options.operations = operations;
  options.starts = starts_;
  options.seed = request_.seed;
  Solution found = solve(limited.network, options);
  operations_ += found.stats.operations;
  return found;
}

void MeshSearch::remember(const Values& values, double seconds) {
  if (seconds >= fastest_seconds_) return;
  fastest_seconds_ = seconds;
  fastest_ = values;
}

Plan MeshSearch::plan_of(const Values& values) const {
  return tessera::plan_of(placement_, values, request_.rules, request_.mesh);
}

double MeshSearch::settle() {
  return consider(fastest_, fastest_seconds_);
}

// Keeps the plan if it obeys the limit and is the best so far, or does with some things computed
// again. Returns its peak without that, or 0 where it is no faster than what is known.
double MeshSearch::consider(const Values& values, double seconds) {
  remember(values, seconds);
  if (plan_ && seconds >= seconds_) return 0;
  Plan plan = plan_of(values);
  ShardedProgram local = lower(request_.rules.program, plan, 0, {&request_.prices.comm});
  const MemoryUse use = memory_of(local);
  look_at(use);
  const auto peak = static_cast<double>(use.peak);
  if (peak <= request_.memory) {
    seconds_ = seconds;
    plan_ = std::move(plan);
    recomputed_.clear();
    lowered_ = std::move(local);
  } else if (request_.recompute && static_cast<double>(use.kept) <= request_.memory) {
    recompute(plan);  // which makes nothing smaller that is kept
  }
  return peak;
}

void MeshSearch::look_at(const MemoryUse& use) {
  if (smallest_.peak == 0 || use.peak < smallest_.peak) smallest_ = use;
}

// What is chosen to be computed again is predicted to obey the limit; where lowering says otherwise
// by a little, the prediction gets a lower one.
void MeshSearch::recompute(const Plan& plan) {
  request_.report.doing("looking what to compute again");
  const ProgramRules& rules = request_.rules;
  const Prices& prices = request_.prices;
  const ShardedProgram local = lower(in_early_order(rules.program), plan, 0, {&prices.comm});
  auto limit = static_cast<int64_t>(request_.memory);
  for (int round = 0; round < kRecomputations; ++round) {
    const auto choice = choose_recomputation(rules, plan, local, prices, limit);
    if (!choice) return;
    const Plan full = with_recomputation(rules.program, plan, choice->recomputed);
    ShardedProgram lowered = lower(rules.program, full, 0, {&prices.comm});
    const MemoryUse use = memory_of(lowered);
    look_at(use);
    if (static_cast<double>(use.peak) <= request_.memory) {
      const Program planned = planned_program(rules.program, full);
      KernelTimes kernels(prices.kernel_seconds);
      const double seconds = objective_of(ProgramRules(planned, request_.pins), full,
                                          {prices.cluster, prices.kernel_seconds, prices.comm,
                                           kernels, prices.distances})
                                 .seconds();
      if (seconds >= seconds_) return;
      seconds_ = seconds;
      plan_ = plan;
      recomputed_ = choice->recomputed;
      lowered_ = std::move(lowered);
      return;
    }
    if (choice->peak > limit) return;  // all that helps is computed again
    limit -= std::max<int64_t>(use.peak - static_cast<int64_t>(request_.memory), 1);
    if (limit <= 0) return;
  }
}

}  // namespace tessera
