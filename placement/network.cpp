#include "placement/network.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace tessera {

int32_t Network::add_variable(std::span<const double> unary_costs) {
  TESSERA_CHECK(!unary_costs.empty()) << "a variable without values";
  costs.insert(costs.end(), unary_costs.begin(), unary_costs.end());
  first.push_back(costs.size());
  return size() - 1;
}

void Network::add_edge(int32_t a, int32_t b, std::vector<double> table) {
  TESSERA_CHECK(a != b && a >= 0 && b >= 0 && a < size() && b < size()) << a << " " << b;
  TESSERA_CHECK(table.size() == static_cast<size_t>(domain(a)) * static_cast<size_t>(domain(b)));
  edges.push_back({a, b, tables.size()});
  tables.insert(tables.end(), table.begin(), table.end());
}

void Network::add_factor(std::span<const int32_t> variables, std::vector<double> table) {
  TESSERA_CHECK(variables.size() > 2) << "a factor of " << variables.size() << " variables";
  factors.push_back({scope.size(), scope.size() + variables.size(), factor_tables.size()});
  scope.insert(scope.end(), variables.begin(), variables.end());
  TESSERA_CHECK(table.size() == factor_entries(factors.back()));
  factor_tables.insert(factor_tables.end(), table.begin(), table.end());
}

size_t Network::factor_entries(const Factor& factor) const {
  size_t product = 1;
  for (size_t i = factor.begin; i < factor.end; ++i) product *= domain(scope[i]);
  return product;
}

void Network::add_row(double limit, const std::vector<RowItem>& items) {
  Row row{limit, entries.size(), entries.size() + items.size()};
  for (const RowItem& item : items) {
    TESSERA_CHECK(item.bytes.size() == static_cast<size_t>(domain(item.variable)));
    entries.push_back({item.variable, bytes.size()});
    bytes.insert(bytes.end(), item.bytes.begin(), item.bytes.end());
  }
  rows.push_back(row);
}

void Network::add_span(int32_t variable, int32_t begin_row, int32_t end_row,
                       std::span<const double> values) {
  TESSERA_CHECK(begin_row >= 0 && begin_row < end_row && end_row <= std::ssize(rows));
  TESSERA_CHECK(values.size() == static_cast<size_t>(domain(variable)));
  spans.push_back({variable, begin_row, end_row, bytes.size()});
  bytes.insert(bytes.end(), values.begin(), values.end());
}

double cost_of(const Network& network, const Values& values) {
  TESSERA_CHECK(values.size() == static_cast<size_t>(network.size()));
  double total = 0;
  for (int32_t v = 0; v < network.size(); ++v) total += network.costs[network.first[v] + values[v]];
  for (const Network::Edge& edge : network.edges) {
    size_t columns = network.domain(edge.b);
    total += network.tables[edge.table + values[edge.a] * columns + values[edge.b]];
  }
  for (const Network::Factor& factor : network.factors) {
    size_t entry = 0;
    for (size_t i = factor.begin; i < factor.end; ++i)
      entry = entry * network.domain(network.scope[i]) + values[network.scope[i]];
    total += network.factor_tables[factor.table + entry];
  }
  return total;
}

double more_than_any(const Network& network) {
  double total = 1;
  for (int32_t v = 0; v < network.size(); ++v) {
    double most = 0;
    for (const double cost : network.unary(v))
      if (cost != kForbidden) most = std::max(most, std::abs(cost));
    total += most;
  }
  for (const Network::Edge& edge : network.edges) {
    const size_t entries = static_cast<size_t>(network.domain(edge.a)) * network.domain(edge.b);
    double most = 0;
    for (size_t i = 0; i < entries; ++i)
      if (const double cost = network.tables[edge.table + i]; cost != kForbidden)
        most = std::max(most, std::abs(cost));
    total += most;
  }
  return total;
}

std::vector<double> usages_of(const Network& network, const Values& values) {
  std::vector<double> change(network.rows.size() + 1, 0);
  for (const Network::Span& span : network.spans) {
    double taken = network.bytes[span.bytes + values[span.variable]];
    change[span.begin] += taken;
    change[span.end] -= taken;
  }
  std::vector<double> usages(network.rows.size());
  double level = 0;
  for (size_t r = 0; r < usages.size(); ++r) {
    level += change[r];
    usages[r] = level;
    for (size_t i = network.rows[r].begin; i < network.rows[r].end; ++i) {
      const Network::Entry& entry = network.entries[i];
      usages[r] += network.bytes[entry.bytes + values[entry.variable]];
    }
  }
  return usages;
}

double excess_of(const Network& network, const Values& values) {
  std::vector<double> usages = usages_of(network, values);
  double worst = 0;
  for (size_t r = 0; r < usages.size(); ++r)
    worst = std::max(worst, usages[r] - network.rows[r].limit);
  return worst;
}

Network merge_parallel_edges(const Network& network) {
  Network merged = network;
  merged.edges.clear();
  merged.tables.clear();
  std::vector<size_t> order(network.edges.size());
  std::iota(order.begin(), order.end(), 0);
  auto key = [&](size_t i) { return std::minmax(network.edges[i].a, network.edges[i].b); };
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return key(i) < key(j); });
  for (size_t i : order) {
    const Network::Edge& edge = network.edges[i];
    auto [a, b] = std::minmax(edge.a, edge.b);
    size_t rows = network.domain(a), columns = network.domain(b);
    bool fresh = merged.edges.empty() || merged.edges.back().a != a || merged.edges.back().b != b;
    if (fresh) {
      merged.edges.push_back({a, b, merged.tables.size()});
      merged.tables.resize(merged.tables.size() + rows * columns, 0.0);
    }
    double* out = merged.tables.data() + merged.edges.back().table;
    const double* in = network.tables.data() + edge.table;
    bool flipped = edge.a != a;
    for (size_t x = 0; x < rows; ++x)
      for (size_t y = 0; y < columns; ++y)
        out[x * columns + y] += flipped ? in[y * rows + x] : in[x * columns + y];
  }
  return merged;
}

Incidence incidence_of(const Network& network) {
  Incidence result;
  result.begin.assign(network.size() + 1, 0);
  for (const Network::Edge& edge : network.edges) {
    ++result.begin[edge.a + 1];
    ++result.begin[edge.b + 1];
  }
  std::partial_sum(result.begin.begin(), result.begin.end(), result.begin.begin());
  result.of.resize(result.begin.back());
  std::vector<int32_t> next(result.begin.begin(), result.begin.end() - 1);
  for (size_t e = 0; e < network.edges.size(); ++e) {
    result.of[next[network.edges[e].a]++] = static_cast<int32_t>(e);
    result.of[next[network.edges[e].b]++] = static_cast<int32_t>(e);
  }
  return result;
}

}  // namespace tessera
