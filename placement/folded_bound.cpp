#include "placement/folded_bound.h"

#include <algorithm>
#include <numeric>

namespace tessera {

FoldedBound::FoldedBound(const PlacementNetwork& placement)
    : network_(placement.network), skeleton_(*placement.skeleton) {
  for (const Skeleton::Type& type : skeleton_.types) {
    first_.push_back(potentials_.size());
    const auto v = static_cast<size_t>(type.variable);
    const auto copies = static_cast<double>(skeleton_.variables[v].copies);
    for (const double cost : network_.unary(type.variable)) potentials_.push_back(cost / copies);
  }
  at_a_.resize(skeleton_.edges.size());
  at_b_.resize(skeleton_.edges.size());
  for (size_t t = 0; t < skeleton_.types.size(); ++t)
    for (const auto& [e, times] : skeleton_.types[t].edges) {
      const Skeleton::Edge& edge = skeleton_.edges[static_cast<size_t>(e)];
      const bool from = edge.from == skeleton_.types[t].variable;
      (from ? at_a_ : at_b_)[static_cast<size_t>(e)].push_back({static_cast<int32_t>(t), times});
    }
  tables_ = network_.tables;
  const auto times_of = [&](int32_t type, int32_t edge) {
    for (const auto& [e, times] : skeleton_.types[static_cast<size_t>(type)].edges)
      if (e == edge) return times;
    return 1;
  };
  for (size_t e = 0; e < skeleton_.edges.size(); ++e) {
    const Skeleton::Edge& edge = skeleton_.edges[e];
    const auto number = static_cast<int32_t>(e);
    const size_t entries = domain(edge.from) * domain(edge.to);
    const auto copies = static_cast<double>(edge.copies);
    edges_.push_back({edge.from, edge.to, network_.edges[e].table, shifts_.size(), copies,
                      edge.from_type, edge.to_type, times_of(edge.from_type, number),
                      times_of(edge.to_type, number)});
    for (size_t i = 0; i < entries; ++i) tables_[edges_.back().table + i] /= copies;
    shifts_.resize(shifts_.size() + domain(edge.from) + domain(edge.to), 0.0);
    pass_operations_ += static_cast<int64_t>(6 * entries);
  }
  best_ = bound();
}

namespace {

// Least of a[i] + b[i], in four parts that go on side by side.
double least_sum(const double* a, const double* b, size_t count) {
  double least[4] = {kForbidden, kForbidden, kForbidden, kForbidden};
  size_t i = 0;
  for (; i + 4 <= count; i += 4)
    for (size_t j = 0; j < 4; ++j) least[j] = std::min(least[j], a[i + j] + b[i + j]);
  for (; i < count; ++i) least[0] = std::min(least[0], a[i] + b[i]);
  return std::min(std::min(least[0], least[1]), std::min(least[2], least[3]));
}

}  // namespace

void FoldedBound::move(size_t e, const std::vector<double>& by_a, const std::vector<double>& by_b) {
  double* shift = shifts_.data() + edges_[e].shift;
  for (size_t x = 0; x < by_a.size(); ++x) shift[x] += by_a[x];
  for (size_t y = 0; y < by_b.size(); ++y) shift[by_a.size() + y] += by_b[y];
  for (const Meeting& meeting : at_a_[e]) {
    double* at = potentials_.data() + first_[static_cast<size_t>(meeting.type)];
    for (size_t x = 0; x < by_a.size(); ++x) at[x] += meeting.times * by_a[x];
  }
  for (const Meeting& meeting : at_b_[e]) {
    double* at = potentials_.data() + first_[static_cast<size_t>(meeting.type)];
    for (size_t y = 0; y < by_b.size(); ++y) at[y] += meeting.times * by_b[y];
  }
}

// Collects everything at the edge, then hands it back: half to a, what b can take, the rest to a.
// Of a decision that meets several copies of the edge, each copy gets its share.
void FoldedBound::handshake(const Edge& edge, size_t number) {
  const size_t rows = domain(edge.a), columns = domain(edge.b);
  const double* table = tables_.data() + edge.table;
  const double* shift_a = shifts_.data() + edge.shift;
  const double* shift_b = shift_a + rows;
  const double* at_a = potentials_.data() + first_[static_cast<size_t>(edge.type_a)];
  const double* at_b = potentials_.data() + first_[static_cast<size_t>(edge.type_b)];
  std::vector<double>&from_a = buffers_[0], &from_b = buffers_[1], &to_a = buffers_[2],
  &to_b = buffers_[3];
  for (std::vector<double>* buffer : {&from_a, &to_a}) buffer->resize(rows);
  from_b.resize(columns);
  to_b.assign(columns, kForbidden);
  for (size_t x = 0; x < rows; ++x) from_a[x] = at_a[x] / edge.times_a - shift_a[x];
  for (size_t y = 0; y < columns; ++y) from_b[y] = at_b[y] / edge.times_b - shift_b[y];
  for (size_t x = 0; x < rows; ++x) {
    const double* row = table + x * columns;
    const double low = least_sum(row, from_b.data(), columns);
    const double left = 0.5 * (from_a[x] - low);  // from_a less the half of all
    double* least = to_b.data();
    for (size_t y = 0; y < columns; ++y) least[y] = std::min(least[y], row[y] + left);
  }
  for (size_t y = 0; y < columns; ++y) from_b[y] = -to_b[y];
  for (size_t x = 0; x < rows; ++x)
    to_a[x] = least_sum(table + x * columns, from_b.data(), columns);
  for (size_t x = 0; x < rows; ++x) to_a[x] -= shift_a[x];
  for (size_t y = 0; y < columns; ++y) to_b[y] -= shift_b[y];
  move(number, to_a, to_b);
}

double FoldedBound::bound() const {
  double total = 0;
  for (size_t t = 0; t < skeleton_.types.size(); ++t) {
    const Skeleton::Type& type = skeleton_.types[t];
    const auto begin = potentials_.begin() + static_cast<std::ptrdiff_t>(first_[t]);
    total += static_cast<double>(type.copies) *
             *std::min_element(begin, begin + network_.domain(type.variable));
  }
  for (const Edge& edge : edges_) {
    const size_t rows = domain(edge.a), columns = domain(edge.b);
    const double* shift_b = shifts_.data() + edge.shift + rows;
    double low = kForbidden;
    for (size_t x = 0; x < rows; ++x) {
      const double* row = tables_.data() + edge.table + x * columns;
      double here = kForbidden;
      for (size_t y = 0; y < columns; ++y) here = std::min(here, row[y] - shift_b[y]);
      low = std::min(low, here - shifts_[edge.shift + x]);
    }
    total += edge.copies * low;
  }
  return total;
}

double FoldedBound::ascend(int passes) {
  for (int pass = 0; pass < passes; ++pass) {
    for (size_t e = 0; e < edges_.size(); ++e) handshake(edges_[e], e);
    for (size_t e = edges_.size(); e-- > 0;) handshake(edges_[e], e);
  }
  best_ = std::max(best_, bound());
  return best_;
}

std::vector<double> FoldedBound::expected(size_t v) const {
  std::vector<double> costs(domain(static_cast<int32_t>(v)), 0.0);
  for (const int32_t t : skeleton_.types_of[v]) {
    const auto copies = static_cast<double>(skeleton_.types[static_cast<size_t>(t)].copies);
    for (size_t x = 0; x < costs.size(); ++x)
      costs[x] += copies * potentials_[first_[static_cast<size_t>(t)] + x];
  }
  return costs;
}

std::vector<std::vector<int32_t>> FoldedBound::promising(size_t count) const {
  std::vector<std::vector<int32_t>> result;
  for (size_t v = 0; v < static_cast<size_t>(network_.size()); ++v) {
    const std::vector<double> costs = expected(v);
    std::vector<int32_t> values(costs.size());
    std::iota(values.begin(), values.end(), 0);
    std::stable_sort(values.begin(), values.end(), [&](int32_t x, int32_t y) {
      return costs[static_cast<size_t>(x)] < costs[static_cast<size_t>(y)];
    });
    values.resize(std::min(values.size(), count));
    std::sort(values.begin(), values.end());
    result.push_back(std::move(values));
  }
  return result;
}

Values FoldedBound::rounded() const {
  Values values(static_cast<size_t>(network_.size()), -1);
  std::vector<std::vector<size_t>> edges_at(values.size());
  for (size_t e = 0; e < edges_.size(); ++e) {
    edges_at[static_cast<size_t>(edges_[e].a)].push_back(e);
    edges_at[static_cast<size_t>(edges_[e].b)].push_back(e);
  }
  for (size_t v = 0; v < values.size(); ++v) {
    std::vector<double> costs = expected(v);
    for (const size_t e : edges_at[v]) {
      const Edge& edge = edges_[e];
      const bool is_a = edge.a == static_cast<int32_t>(v);
      const int32_t other = values[static_cast<size_t>(is_a ? edge.b : edge.a)];
      if (other < 0) continue;
      const size_t rows = domain(edge.a), columns = domain(edge.b);
      const double* shift = shifts_.data() + edge.shift;
      for (size_t x = 0; x < costs.size(); ++x) {
        const size_t a = is_a ? x : static_cast<size_t>(other);
        const size_t b = is_a ? static_cast<size_t>(other) : x;
        costs[x] +=
            edge.copies * (tables_[edge.table + a * columns + b] - shift[a] - shift[rows + b]);
      }
    }
    values[v] = static_cast<int32_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
  }
  return values;
}

}  // namespace tessera
