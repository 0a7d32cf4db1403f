#include "placement/bound.h"

#include <algorithm>
#include <cmath>

namespace tessera {

DualBound::DualBound(const Network& network)
    : network_(network),
      incidence_(incidence_of(network)),
      potential_(network.costs),
      multipliers_(network.rows.size(), 0.0) {
  size_t total = 0;
  for (const Network::Edge& edge : network.edges) {
    shift_begin_.push_back(total);
    total += network.domain(edge.a) + network.domain(edge.b);
  }
  shift_.assign(total, 0.0);
}

// Cost that is left in the edge for (x, y).
double DualBound::at(size_t e, size_t x, size_t y) const {
  const Network::Edge& edge = network_.edges[e];
  size_t rows = network_.domain(edge.a), columns = network_.domain(edge.b);
  const double* shift = shift_.data() + shift_begin_[e];
  return network_.tables[edge.table + x * columns + y] - shift[x] - shift[rows + y];
}

// Collects everything at the edge, then hands it back: half to a, what b can take, the rest to a.
void DualBound::handshake(size_t e) {
  const Network::Edge& edge = network_.edges[e];
  size_t rows = network_.domain(edge.a), columns = network_.domain(edge.b);
  double* at_a = potential_.data() + network_.first[edge.a];
  double* at_b = potential_.data() + network_.first[edge.b];
  double* shift_a = shift_.data() + shift_begin_[e];
  double* shift_b = shift_a + rows;
  const double* table = network_.tables.data() + edge.table;
  std::vector<double> from_a(rows), from_b(columns), least(columns, kForbidden);
  for (size_t x = 0; x < rows; ++x) from_a[x] = at_a[x] - shift_a[x];
  for (size_t y = 0; y < columns; ++y) from_b[y] = at_b[y] - shift_b[y];
  std::vector<double> kept(rows);
  for (size_t x = 0; x < rows; ++x) {
    double low = kForbidden;
    for (size_t y = 0; y < columns; ++y) low = std::min(low, table[x * columns + y] + from_b[y]);
    kept[x] = 0.5 * (low + from_a[x]);
    double left = from_a[x] - kept[x];
    for (size_t y = 0; y < columns; ++y)
      least[y] = std::min(least[y], table[x * columns + y] + from_b[y] + left);
  }
  for (size_t y = 0; y < columns; ++y) {
    at_b[y] = least[y];
    shift_b[y] = least[y] - (from_b[y]);
  }
  for (size_t x = 0; x < rows; ++x) {
    double rest = kForbidden;
    for (size_t y = 0; y < columns; ++y) rest = std::min(rest, table[x * columns + y] - shift_b[y]);
    // rest + from_a[x] is all that the edge can give to x once b has taken its part.
    at_a[x] = from_a[x] + rest;
    shift_a[x] = rest;
  }
}

double DualBound::ascend(int passes) {
  for (int pass = 0; pass < passes; ++pass) {
    for (size_t e = 0; e < network_.edges.size(); ++e) handshake(e);
    for (size_t e = network_.edges.size(); e-- > 0;) handshake(e);
  }
  return bound();
}

double DualBound::bound() const {
  double total = 0;
  for (int32_t v = 0; v < network_.size(); ++v)
    total += *std::min_element(potential_.begin() + network_.first[v],
                               potential_.begin() + network_.first[v + 1]);
  for (size_t e = 0; e < network_.edges.size(); ++e) {
    double low = kForbidden;
    const Network::Edge& edge = network_.edges[e];
    for (int32_t x = 0; x < network_.domain(edge.a); ++x)
      for (int32_t y = 0; y < network_.domain(edge.b); ++y) low = std::min(low, at(e, x, y));
    total += low;
  }
  for (const Network::Factor& factor : network_.factors) {
    auto begin = network_.factor_tables.begin() + factor.table;
    total += *std::min_element(begin, begin + network_.factor_entries(factor));
  }
  for (size_t r = 0; r < network_.rows.size(); ++r)
    total -= multipliers_[r] * network_.rows[r].limit;
  return total;
}

void DualBound::move_multipliers(double target, double step) {
  if (network_.rows.empty()) return;
  Values least(network_.size());
  for (int32_t v = 0; v < network_.size(); ++v) {
    auto begin = potential_.begin() + network_.first[v];
    auto end = potential_.begin() + network_.first[v + 1];
    least[v] = static_cast<int32_t>(std::min_element(begin, end) - begin);
  }
  std::vector<double> slope;
  double norm = 0;
  const std::vector<double> usages = usages_of(network_, least);
  for (size_t r = 0; r < network_.rows.size(); ++r) {
    double over = usages[r] - network_.rows[r].limit;
    if (over < 0 && multipliers_[r] == 0) over = 0;
    slope.push_back(over);
    norm += over * over;
  }
  if (norm == 0) return;
  double length = step * std::max(0.0, target - bound()) / norm;
  for (size_t r = 0; r < network_.rows.size(); ++r) {
    double moved = std::max(0.0, multipliers_[r] + length * slope[r]) - multipliers_[r];
    if (moved == 0) continue;
    multipliers_[r] += moved;
    for (size_t i = network_.rows[r].begin; i < network_.rows[r].end; ++i) {
      const Network::Entry& entry = network_.entries[i];
      for (int32_t x = 0; x < network_.domain(entry.variable); ++x)
        potential_[network_.first[entry.variable] + x] += moved * network_.bytes[entry.bytes + x];
    }
  }
}

Values DualBound::rounded() const {
  Values values(network_.size(), -1);
  for (int32_t v = 0; v < network_.size(); ++v) {
    double best = kForbidden;
    int32_t choice = 0;
    for (int32_t x = 0; x < network_.domain(v); ++x) {
      double cost = potential_[network_.first[v] + x];
      for (int32_t i = incidence_.begin[v]; i < incidence_.begin[v + 1]; ++i) {
        const Network::Edge& edge = network_.edges[incidence_.of[i]];
        int32_t u = edge.a == v ? edge.b : edge.a;
        if (values[u] < 0) continue;
        cost +=
            edge.a == v ? at(incidence_.of[i], x, values[u]) : at(incidence_.of[i], values[u], x);
      }
      if (cost < best) {
        best = cost;
        choice = x;
      }
    }
    values[v] = choice;
  }
  return values;
}

}  // namespace tessera
