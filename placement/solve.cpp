#include "placement/solve.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "placement/bound.h"
#include "placement/eliminate.h"
#include "placement/lagrange.h"
#include "placement/local_search.h"
#include "placement/presolve.h"

namespace tessera {
namespace {

// The cheapest start that obeys the rows, or the first one, or nothing.
Values best_start(const Network& network, const std::vector<Values>& starts) {
  Values best;
  double best_cost = kForbidden;
  for (const Values& start : starts) {
    double cost = excess_of(network, start) > 0 ? kForbidden : cost_of(network, start);
    if (cost < best_cost || best.empty()) {
      best = start;
      best_cost = cost;
    }
  }
  return best;
}

void take(Solution& solution, const Network& network, const Values& values) {
  if (values.empty() || excess_of(network, values) > 0) return;
  double cost = cost_of(network, values);
  if (cost >= solution.cost) return;
  solution.cost = cost;
  solution.values = values;
}

// Too wide for elimination: alternate between raising the bound and improving the assignment.
void solve_wide(const Network& network, const SolveOptions& options, Solution& solution) {
  solution.stats.method = "dual ascent";
  LocalSearch search(network, options.seed);
  if (!solution.values.empty()) search.run(solution.values, options.operations / 20);
  DualBound dual(network);
  int64_t pass_operations =
      static_cast<int64_t>(4 * network.tables.size() + 2 * network.costs.size()) + 1;
  int64_t spent = 0;
  double step = 1;
  while (spent + search.operations() < options.operations) {
    double bound = dual.ascend(5);
    spent += 5 * pass_operations;
    bool better = bound > solution.bound + 1e-7 * std::abs(bound);
    solution.bound = std::max(solution.bound, bound);
    if (!better) step *= 0.7;
    if (!better && (network.rows.empty() || step < 1e-3)) break;
    search.run(dual.rounded(), options.operations / 50);
    if (search.found()) take(solution, network, search.best());
    double target = solution.cost != kForbidden ? solution.cost : bound + 0.1 * std::abs(bound);
    dual.move_multipliers(target, step);
  }
  int64_t left = options.operations - spent - search.operations();
  const Values& from = search.found() ? search.best() : dual.rounded();
  if (left > 0) search.run(Values(from), left);
  if (search.found()) take(solution, network, search.best());
  solution.stats.operations = spent + search.operations();
}

void solve_reduced(const Network& network, const SolveOptions& options, Solution& solution) {
  take(solution, network, best_start(network, options.starts));
  auto plan = plan_elimination(network, options.table_entries,
                               network.rows.empty() ? options.operations : options.operations / 8);
  if (!plan) {
    solve_wide(network, options, solution);
    return;
  }
  solution.stats.width = plan->width;
  if (network.rows.empty()) {
    solution.stats.method = "elimination";
    solution.stats.operations = plan->operations;
    Minimum minimum = minimise(network, *plan, network.costs);
    solution.bound = minimum.cost;
    if (minimum.cost != kForbidden) take(solution, network, minimum.values);
    return;
  }
  solution.stats.method = "branch and bound";
  RowSolution found =
      minimise_with_rows(network, *plan, best_start(network, options.starts), options.operations);
  take(solution, network, found.values);
  solution.bound = found.bound;
  solution.stats.nodes = found.nodes;
  solution.stats.operations = found.operations;
}

}  // namespace

bool Solution::optimal() const {
  return cost != kForbidden && bound >= cost - 1e-9 * std::abs(cost);
}

double Solution::gap() const {
  if (cost == kForbidden) return kForbidden;
  return optimal() || cost == 0 ? 0 : (cost - bound) / std::abs(cost);
}

Solution solve(const Network& network, const SolveOptions& options) {
  Reduced reduced = presolve(merge_parallel_edges(network));
  Solution solution;
  solution.stats.variables = network.size();
  solution.stats.variables_left = reduced.network.size();
  solution.stats.method = "presolve";
  if (reduced.infeasible) {
    solution.bound = kForbidden;
    return solution;
  }
  SolveOptions inner = options;
  for (Values& start : inner.starts) start = project(reduced, start);
  if (reduced.network.size() == 0) {
    solution.bound = 0;
    solution.cost = 0;
  } else {
    solve_reduced(reduced.network, inner, solution);
  }
  solution.bound += reduced.constant;
  if (solution.cost != kForbidden) {
    solution.values = restore(reduced, solution.values);
    solution.cost = cost_of(network, solution.values);
    TESSERA_CHECK(solution.bound <= solution.cost + 1e-7 * (1 + std::abs(solution.cost)))
        << "a bound of " << solution.bound << " above a cost of " << solution.cost;
    solution.bound = std::min(solution.bound, solution.cost);  // but for rounding
  }
  // A start may have been cut off by presolve, which keeps one optimum only.
  Values given = best_start(network, options.starts);
  if (!given.empty()) take(solution, network, given);
  return solution;
}

}  // namespace tessera
