#include "launcher/bench/iopddl.h"

#include <algorithm>
#include <map>

namespace tessera {
namespace {

// Moments at which memory can be at its peak: between the begin of an interval and the next end.
struct Moments {
  std::vector<int64_t> at;

  // Rows of an interval; empty where a neighbour's moment holds more.
  std::pair<int32_t, int32_t> rows(int64_t lo, int64_t hi) const {
    const auto begin = std::lower_bound(at.begin(), at.end(), lo);
    const auto end = std::lower_bound(begin, at.end(), hi);
    return {static_cast<int32_t>(begin - at.begin()), static_cast<int32_t>(end - at.begin())};
  }
};

Moments moments_of(const IopddlProblem& problem) {
  std::vector<std::pair<int64_t, bool>> events;  // ends before begins
  for (const auto& [lo, hi] : problem.intervals) {
    if (lo >= hi) continue;
    events.emplace_back(lo, true);
    events.emplace_back(hi, false);
  }
  std::sort(events.begin(), events.end());
  Moments moments;
  for (size_t i = 0; i + 1 < events.size(); ++i)
    if (events[i].second && !events[i + 1].second) moments.at.push_back(events[i].first);
  return moments;
}

double as_cost(int64_t cost, double forbidden) {
  const auto value = static_cast<double>(cost);
  return value >= forbidden ? kForbidden : value;
}

}  // namespace

std::string text_of(WideInteger value) {
  if (value == 0) return "0";
  std::string digits;
  for (const bool negative = value < 0; value != 0; value /= 10) {
    const auto digit = static_cast<int>(value % 10);
    digits += static_cast<char>('0' + (negative ? -digit : digit));
    if (negative && value / 10 == 0) digits += '-';
  }
  std::reverse(digits.begin(), digits.end());
  return digits;
}

WideInteger cost_of(const IopddlProblem& problem, const Values& values) {
  WideInteger total = 0;
  for (int32_t v = 0; v < problem.size(); ++v) total += problem.costs[problem.first[v] + values[v]];
  for (const IopddlProblem::Edge& edge : problem.edges)
    total +=
        problem.tables[edge.table + values[edge.a] * problem.strategies(edge.b) + values[edge.b]];
  return total;
}

WideInteger peak_of(const IopddlProblem& problem, const Values& values) {
  std::map<int64_t, WideInteger> changes;
  for (int32_t v = 0; v < problem.size(); ++v) {
    const auto [lo, hi] = problem.intervals[v];
    if (lo >= hi) continue;
    const WideInteger usage = problem.usages[problem.first[v] + values[v]];
    changes[lo] += usage;
    changes[hi] -= usage;
  }
  WideInteger level = 0, peak = 0;
  for (const auto& [moment, change] : changes) peak = std::max(peak, level += change);
  return peak;
}

Network network_of(const IopddlProblem& problem, double forbidden) {
  Network network;
  for (int32_t v = 0; v < problem.size(); ++v) {
    std::vector<double> costs;
    for (size_t i = problem.first[v]; i < problem.first[v + 1]; ++i)
      costs.push_back(as_cost(problem.costs[i], forbidden));
    network.add_variable(costs);
  }
  std::vector<double> table;
  for (const IopddlProblem::Edge& edge : problem.edges) {
    const auto rows = static_cast<size_t>(problem.strategies(edge.a));
    const auto columns = static_cast<size_t>(problem.strategies(edge.b));
    const int64_t* costs = problem.tables.data() + edge.table;
    if (edge.a == edge.b) {
      for (size_t x = 0; x < rows; ++x)
        network.costs[network.first[edge.a] + x] += as_cost(costs[x * columns + x], forbidden);
      continue;
    }
    table.clear();
    for (size_t i = 0; i < rows * columns; ++i) table.push_back(as_cost(costs[i], forbidden));
    network.add_edge(edge.a, edge.b, table);
  }
  if (!problem.limit) return network;
  const Moments moments = moments_of(problem);
  for (size_t r = 0; r < moments.at.size(); ++r)
    network.add_row(static_cast<double>(*problem.limit), {});
  std::vector<double> bytes;
  for (int32_t v = 0; v < problem.size(); ++v) {
    const auto [lo, hi] = problem.intervals[v];
    if (lo >= hi) continue;
    const auto [begin, end] = moments.rows(lo, hi);
    if (begin == end) continue;
    bytes.assign(problem.usages.begin() + static_cast<std::ptrdiff_t>(problem.first[v]),
                 problem.usages.begin() + static_cast<std::ptrdiff_t>(problem.first[v + 1]));
    network.add_span(v, begin, end, bytes);
  }
  return network;
}

}  // namespace tessera
