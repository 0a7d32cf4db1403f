#include "codegen/kernel_model.h"

#include <algorithm>
#include <cmath>

#include "codegen/blocked_group.h"
#include "codegen/kernel_group.h"
#include "codegen/lower.h"
#include "codegen/scan.h"
#include "codegen/scatter.h"
#include "codegen/schedule.h"
#include "codegen/solve_guards.h"
#include "codegen/work_prices.h"
#include "ir/product.h"
#include "ir/split_formula.h"

namespace tessera {
namespace {

constexpr double kThreadSeconds = 2e-6;  // waking others and waiting for them
constexpr double kChunkCycles = 60e3;    // work is not split finer
constexpr double kLineBytes = 64;

// The share of a solved nest's points at which something is done: what a scatter adds goes to its
// place at once, and a scan keeps what it has.
double share_done(const Nest& solved) {
  if (const std::optional<Scan> scan = find_scan(solved)) return share_of_steps(*scan);
  const std::optional<Scatter> scatter = find_scatter(solved);
  return scatter ? 1 / static_cast<double>(std::max<int64_t>(volume(scatter->targets), 1)) : 1;
}

// Each operand is computed once where it is packed, however many elements of the other it meets.
double operations_of(const Contraction& c) {
  double total = points_of(c.nest.loops()) * (c.pair ? 1 + flops_of(c.pair->value) : 2);
  for (const Expr& operand : {c.a, c.b}) total += flops_of(operand) * points_of(operand.dims());
  if (c.scale) total += (1 + flops_of(*c.scale)) * points_of(c.nest.out.dims());
  return total;
}

// Terms of the same loops in one, counted in cycles.
std::vector<WorkTerm> priced(const std::vector<WorkTerm>& terms, const WorkAmounts& prices) {
  std::vector<WorkTerm> merged;
  for (WorkTerm term : terms) {
    term.count *= prices[static_cast<size_t>(term.work)];
    const auto same = std::find_if(merged.begin(), merged.end(), [&](const WorkTerm& other) {
      return other.loops == term.loops && other.lane == term.lane && other.width == term.width;
    });
    if (same == merged.end())
      merged.push_back(term);
    else
      same->count += term.count;
  }
  return merged;
}

// Of one vector multiply-add.
double seconds_of_cycle(const Machine& machine) {
  return 2e-9 * machine.vectors.vector_bytes / 4 / std::max(1e-3, machine.peak_gflops);
}

double sum(const WorkAmounts& amounts, const WorkAmounts& prices, size_t from, size_t to) {
  double total = 0;
  for (size_t i = from; i < to; ++i) total += amounts[i] * prices[i];
  return total;
}

}  // namespace

double operations_of(const Nest& nest) {
  const Nest solved = solve_guards(nest);
  const std::optional<Contraction> contraction = find_contraction(solved);
  if (contraction && worth_tiling(*contraction)) return operations_of(*contraction);
  return flops_of(solved) * share_done(solved);
}

KernelModel::KernelModel(const Nest& nest, const Machine& machine) : machine_(machine) {
  cycle_ = seconds_of_cycle(machine);
  const Nest solved = solve_guards(nest);
  const std::optional<Contraction> contraction = find_contraction(solved);
  if (contraction && worth_tiling(*contraction))
    tiles_.emplace(*contraction, nest.loops(), machine.vectors);
  else
    analyse_loops(nest.loops(), make_group({solved}, {solved.out}));
}

KernelModel::KernelModel(const KernelGroup& group, const Machine& machine) : machine_(machine) {
  cycle_ = seconds_of_cycle(machine);
  analyse_loops(loops_of(group), group);
}

void KernelModel::analyse_loops(const Dims& loops, const KernelGroup& group) {
  LoopNest scheduled = lower(group);
  schedule(scheduled, {machine_.vectors, 1});
  for (const NestedLoop& loop : scheduled.loops) {
    std::vector<int>& positions = dims_of_.emplace_back();
    for (const Dim& dim : loop.dims)
      if (const int at = position(loops, dim); at >= 0) positions.push_back(at);
  }
  terms_ = work_of(scheduled, machine_.vectors);
  priced_ = priced(terms_, prices_of(machine_.vectors));
  lines_ = NestLines(scheduled);
}

std::array<double, kMaxLoops> KernelModel::trips_of(std::span<const int64_t> extents) const {
  std::array<double, kMaxLoops> trips;
  for (size_t i = 0; i < dims_of_.size(); ++i) {
    trips[i] = 1;
    for (const int at : dims_of_[i])
      trips[i] *= static_cast<double>(extents[static_cast<size_t>(at)]);
  }
  return trips;
}

WorkAmounts KernelModel::amounts(std::span<const int64_t> extents) const {
  WorkAmounts amounts{};
  amounts[static_cast<size_t>(WorkKind::launch)] = 1;
  if (tiles_) {
    tiles_->add_to(amounts, extents, machine_.vectors, prices_of(machine_.vectors));
    return amounts;
  }
  const auto trips = trips_of(extents);
  for (const WorkTerm& term : terms_)
    amounts[static_cast<size_t>(term.work)] += term.count * term.steps(trips);
  lines_.add_to(amounts, trips, machine_.vectors);
  return amounts;
}

double KernelModel::seconds(std::span<const int64_t> extents, int threads) const {
  const WorkAmounts& prices = prices_of(machine_.vectors);
  WorkAmounts amounts{};
  double cycles = 0;
  if (tiles_) {
    tiles_->add_to(amounts, extents, machine_.vectors, prices);
    cycles = sum(amounts, prices, 0, kFirstLine);
  } else {
    const auto trips = trips_of(extents);
    for (const WorkTerm& term : priced_) cycles += term.count * term.steps(trips);
    lines_.add_to(amounts, trips, machine_.vectors);
  }
  const double near = sum(amounts, prices, kFirstLine, kFirstMemoryLine) * kLineBytes * 1e-9;
  const double far = sum(amounts, prices, kFirstMemoryLine, kWorks) * kLineBytes * 1e-9;

  const double wanted = std::min(threads, machine_.cores);
  const double chunks = std::clamp(std::floor(cycles / kChunkCycles), 1.0, 64.0);
  const double used = chunks / std::ceil(chunks / std::max(1.0, wanted));
  const double rate =
      machine_.bandwidth + (machine_.bandwidth_all - machine_.bandwidth) *
                               (machine_.cores > 1 ? (used - 1) / (machine_.cores - 1) : 0);
  const double compute = cycles * cycle_ / used;
  const double memory =
      near / std::max(1e-3, machine_.cache_bandwidth * used) + far / std::max(1e-3, rate);
  const double launch = prices[static_cast<size_t>(WorkKind::launch)] * cycle_;
  return launch + (used > 1 ? kThreadSeconds : 0) + computing_and_moving(compute, memory);
}

double predict_seconds(const Nest& local, const Machine& machine, int threads) {
  return KernelModel(local, machine).seconds(extents(local.loops()), threads);
}

Dims loops_of(const KernelGroup& group) {
  Dims loops;
  for (const Nest& nest : group.nests) loops = unite(loops, sorted(nest.loops()));
  return loops;
}

double predict_seconds(const KernelGroup& group, const Machine& machine, int threads) {
  if (group.nests.size() > 1 && runs_as_loop_nest(group))
    return KernelModel(group, machine).seconds(extents(loops_of(group)), threads);
  double seconds = 0;
  for (const Nest& nest : group.nests) seconds += predict_seconds(nest, machine, threads);
  return seconds;
}

WorkAmounts work_of(const Nest& local, const Machine& machine) {
  return KernelModel(local, machine).amounts(extents(local.loops()));
}

}  // namespace tessera
