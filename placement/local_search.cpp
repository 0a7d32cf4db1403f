#include "placement/local_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "placement/eliminate.h"

namespace tessera {
namespace {

// Replaces infinite costs, so that differences of costs are numbers.
double cap_forbidden(Network& network) {
  double total = 1;
  for (double cost : network.costs)
    if (cost != kForbidden) total += std::abs(cost);
  for (double cost : network.tables)
    if (cost != kForbidden) total += std::abs(cost);
  for (double& cost : network.costs) cost = std::min(cost, total);
  for (double& cost : network.tables) cost = std::min(cost, total);
  return total;
}

}  // namespace

LocalSearch::LocalSearch(const Network& network, uint64_t seed)
    : network_(network), incidence_(incidence_of(network)), state_(seed) {
  big_ = cap_forbidden(network_);
  row_begin_.assign(network.size() + 1, 0);
  for (const Network::Entry& entry : network.entries) ++row_begin_[entry.variable + 1];
  std::partial_sum(row_begin_.begin(), row_begin_.end(), row_begin_.begin());
  row_items_.resize(network.entries.size());
  std::vector<int32_t> next(row_begin_.begin(), row_begin_.end() - 1);
  for (size_t r = 0; r < network.rows.size(); ++r)
    for (size_t i = network.rows[r].begin; i < network.rows[r].end; ++i)
      row_items_[next[network.entries[i].variable]++] = {static_cast<int32_t>(r),
                                                         network.entries[i].bytes};
  factors_at_.resize(network.size());
  for (size_t f = 0; f < network.factors.size(); ++f)
    for (size_t i = network.factors[f].begin; i < network.factors[f].end; ++i)
      factors_at_[network.scope[i]].push_back(static_cast<int32_t>(f));
  double typical = 0;
  for (double cost : network.costs)
    if (cost != kForbidden) typical = std::max(typical, std::abs(cost));
  for (const Network::Row& row : network.rows)
    penalty_.push_back((typical + 1e-12) / std::max(1.0, std::abs(row.limit)));
}

// splitmix64
uint64_t LocalSearch::random() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

void LocalSearch::load(const Values& values) {
  values_ = values;
  usage_ = usages_of(network_, values_);
}

size_t LocalSearch::factor_stride(const Network::Factor& factor, int32_t v) const {
  size_t stride = 1;
  for (size_t i = factor.end; i-- > factor.begin;) {
    if (network_.scope[i] == v) break;
    stride *= network_.domain(network_.scope[i]);
  }
  return stride;
}

size_t LocalSearch::factor_entry(const Network::Factor& factor) const {
  size_t entry = factor.table, stride = 1;
  for (size_t i = factor.end; i-- > factor.begin;) {
    entry += values_[network_.scope[i]] * stride;
    stride *= network_.domain(network_.scope[i]);
  }
  return entry;
}

// The penalised cost of setting v to x, less that of leaving it.
double LocalSearch::change(int32_t v, int32_t x) {
  int32_t old = values_[v];
  double delta = network_.costs[network_.first[v] + x] - network_.costs[network_.first[v] + old];
  for (int32_t i = incidence_.begin[v]; i < incidence_.begin[v + 1]; ++i) {
    const Network::Edge& edge = network_.edges[incidence_.of[i]];
    size_t columns = network_.domain(edge.b);
    const double* table = network_.tables.data() + edge.table;
    delta += edge.a == v
                 ? table[x * columns + values_[edge.b]] - table[old * columns + values_[edge.b]]
                 : table[values_[edge.a] * columns + x] - table[values_[edge.a] * columns + old];
  }
  for (int32_t f : factors_at_[v]) {
    const Network::Factor& factor = network_.factors[f];
    size_t stride = factor_stride(factor, v), here = factor_entry(factor);
    const double* table = network_.factor_tables.data();
    delta += table[here - old * stride + x * stride] - table[here];
    spent_ += 4;
  }
  for (int32_t i = row_begin_[v]; i < row_begin_[v + 1]; ++i) {
    const RowItem& item = row_items_[i];
    double limit = network_.rows[item.row].limit, before = usage_[item.row];
    double after = before + network_.bytes[item.bytes + x] - network_.bytes[item.bytes + old];
    delta += penalty_[item.row] * (std::max(0.0, after - limit) - std::max(0.0, before - limit));
  }
  spent_ += 2 + incidence_.begin[v + 1] - incidence_.begin[v] + row_begin_[v + 1] - row_begin_[v];
  return delta;
}

void LocalSearch::set(int32_t v, int32_t x) {
  for (int32_t i = row_begin_[v]; i < row_begin_[v + 1]; ++i) {
    const RowItem& item = row_items_[i];
    usage_[item.row] += network_.bytes[item.bytes + x] - network_.bytes[item.bytes + values_[v]];
  }
  values_[v] = x;
}

void LocalSearch::descend() {
  bool changed = true;
  while (changed) {
    changed = false;
    for (int32_t v = 0; v < network_.size(); ++v) {
      double best = -1e-12 * (1 + std::abs(best_cost_ == kForbidden ? 0 : best_cost_));
      int32_t choice = -1;
      for (int32_t x = 0; x < network_.domain(v); ++x) {
        if (x == values_[v]) continue;
        double delta = change(v, x);
        if (delta < best) {
          best = delta;
          choice = x;
        }
      }
      if (choice < 0) continue;
      set(v, choice);
      changed = true;
    }
  }
  note();
}

void LocalSearch::note() {
  double cost = cost_of(network_, values_);
  spent_ += network_.size();
  if (cost >= best_cost_ || cost >= big_) return;
  for (size_t r = 0; r < usage_.size(); ++r)
    if (usage_[r] > network_.rows[r].limit) return;
  best_ = values_;
  best_cost_ = cost;
}

double LocalSearch::penalised() const {
  double total = cost_of(network_, values_);
  for (size_t r = 0; r < usage_.size(); ++r)
    total += penalty_[r] * std::max(0.0, usage_[r] - network_.rows[r].limit);
  return total;
}

void LocalSearch::raise_penalties() {
  for (size_t r = 0; r < usage_.size(); ++r)
    penalty_[r] *= usage_[r] > network_.rows[r].limit ? 1.5 : 0.95;
}

// The factors that touch the region, with the variables outside it fixed.
void LocalSearch::add_factors(Network& local, const std::vector<int32_t>& region,
                              const std::vector<int32_t>& number) const {
  std::set<int32_t> touched;
  for (int32_t v : region) touched.insert(factors_at_[v].begin(), factors_at_[v].end());
  for (int32_t f : touched) {
    const Network::Factor& factor = network_.factors[f];
    std::vector<int32_t> inside;
    size_t base = factor_entry(factor), entries = 1;
    std::vector<size_t> strides;
    for (size_t i = factor.begin; i < factor.end; ++i) {
      int32_t v = network_.scope[i];
      if (number[v] < 0) continue;
      inside.push_back(number[v]);
      strides.push_back(factor_stride(factor, v));
      base -= values_[v] * strides.back();
      entries *= network_.domain(v);
    }
    std::vector<double> table(entries);
    for (size_t entry = 0; entry < entries; ++entry) {
      size_t at = base, rest = entry;
      for (size_t i = inside.size(); i-- > 0;) {
        at += rest % local.domain(inside[i]) * strides[i];
        rest /= local.domain(inside[i]);
      }
      table[entry] = network_.factor_tables[at];
    }
    if (inside.size() == 1)
      for (size_t x = 0; x < entries; ++x) local.costs[local.first[inside[0]] + x] += table[x];
    else if (inside.size() == 2)
      local.add_edge(inside[0], inside[1], std::move(table));
    else
      local.add_factor(inside, std::move(table));
  }
}

// A random connected set of at most `size` variables; number[v] is v's place in it, or -1.
std::vector<int32_t> LocalSearch::random_region(int32_t size, std::vector<int32_t>& number) {
  std::vector<int32_t> region;
  auto take = [&](int32_t v) {
    if (number[v] >= 0 || static_cast<int32_t>(region.size()) >= size) return;
    number[v] = static_cast<int32_t>(region.size());
    region.push_back(v);
  };
  take(static_cast<int32_t>(random() % network_.size()));
  for (size_t i = 0; i < region.size(); ++i) {
    int32_t v = region[i];
    for (int32_t k = incidence_.begin[v]; k < incidence_.begin[v + 1]; ++k) {
      const Network::Edge& edge = network_.edges[incidence_.of[k]];
      take(edge.a == v ? edge.b : edge.a);
    }
    for (int32_t f : factors_at_[v])
      for (size_t k = network_.factors[f].begin; k < network_.factors[f].end; ++k)
        take(network_.scope[k]);
  }
  return region;
}

// What v = x costs when all variables outside the region stay.
double LocalSearch::local_cost(int32_t v, int32_t x, const std::vector<int32_t>& number) const {
  double cost = network_.costs[network_.first[v] + x];
  for (int32_t i = row_begin_[v]; i < row_begin_[v + 1]; ++i) {
    const RowItem& item = row_items_[i];
    double slack = network_.rows[item.row].limit - usage_[item.row];
    double more = network_.bytes[item.bytes + x] - network_.bytes[item.bytes + values_[v]];
    if (more > slack || slack < 0) cost += penalty_[item.row] * (more - std::max(0.0, slack));
  }
  for (int32_t k = incidence_.begin[v]; k < incidence_.begin[v + 1]; ++k) {
    const Network::Edge& edge = network_.edges[incidence_.of[k]];
    int32_t u = edge.a == v ? edge.b : edge.a;
    if (number[u] >= 0) continue;
    size_t columns = network_.domain(edge.b);
    cost += network_.tables[edge.table +
                            (edge.a == v ? x * columns + values_[u] : values_[u] * columns + x)];
  }
  return cost;
}

// Solves a random region exactly, the others fixed.
void LocalSearch::improve_region(int32_t size) {
  std::vector<int32_t> number(network_.size(), -1);
  std::vector<int32_t> region = random_region(size, number);
  Network local;
  for (int32_t v : region) {
    std::vector<double> costs;
    for (int32_t x = 0; x < network_.domain(v); ++x) costs.push_back(local_cost(v, x, number));
    local.add_variable(costs);
  }
  for (int32_t v : region)
    for (int32_t k = incidence_.begin[v]; k < incidence_.begin[v + 1]; ++k) {
      const Network::Edge& edge = network_.edges[incidence_.of[k]];
      if (edge.a != v || number[edge.b] < 0) continue;
      const double* table = network_.tables.data() + edge.table;
      size_t entries = static_cast<size_t>(network_.domain(edge.a)) * network_.domain(edge.b);
      local.add_edge(number[edge.a], number[edge.b], {table, table + entries});
    }
  add_factors(local, region, number);
  constexpr int64_t kEntry = 12;    // of a factor's table: where it lies is found by divisions
  constexpr int64_t kOrder = 1000;  // of a variable, looking for an order of elimination
  spent_ += static_cast<int64_t>(local.tables.size() + local.costs.size()) +
            kEntry * static_cast<int64_t>(local.factor_tables.size()) + kOrder * local.size();
  auto plan = plan_elimination(local, 1 << 18, 1 << 21);
  if (!plan) return;
  spent_ += plan->operations;
  Minimum found = minimise(local, *plan, local.costs);
  Values before = values_;
  double old_total = penalised();
  for (size_t i = 0; i < region.size(); ++i) set(region[i], found.values[i]);
  if (penalised() > old_total) load(before);
}

void LocalSearch::run(const Values& values, int64_t operations) {
  int64_t end = spent_ + operations;
  load(values);
  descend();
  int32_t size = std::min(network_.size(), 24);
  for (int round = 1; spent_ < end; ++round) {
    improve_region(1 + static_cast<int32_t>(random() % size));
    if (round % 4 == 0) descend();
    if (round % 16 == 0) raise_penalties();
    if (round % 64 == 0 && found() && random() % 2) load(best_);
    spent_ += network_.size();
  }
  descend();
}

}  // namespace tessera
