#include "placement/anytime/message_bound.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace tessera {
MessageBound::MessageBound(const Network& network, std::vector<double> prices)
    : network_(network),
      use_(network),
      tables_(network.tables),
      begin_(network.size() + 1, 0),
      potential_(network.costs),
      prices_(std::move(prices)) {
  TESSERA_CHECK(network.factors.empty() && network.entries.empty());
  // A bound of the network that is cheaper by this is one of the network.
  const double forbidden = more_than_any(network);
  for (double& cost : tables_) cost = std::min(cost, forbidden);
  for (const Network::Edge& edge : network.edges) {
    ++begin_[edge.a + 1];
    ++begin_[edge.b + 1];
  }
  std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
  links_.resize(2 * network.edges.size());
  std::vector<size_t> next(begin_.begin(), begin_.end() - 1);
  size_t shifts = 0;
  for (size_t e = 0; e < network.edges.size(); ++e) {
    const Network::Edge& edge = network.edges[e];
    links_[next[edge.a]++] = {static_cast<int32_t>(e), edge.b, true};
    links_[next[edge.b]++] = {static_cast<int32_t>(e), edge.a, false};
    for (const int32_t v : {edge.a, edge.b}) {
      shift_at_.push_back(shifts);
      shifts += static_cast<size_t>(network.domain(v));
    }
  }
  for (int32_t v = 0; v < network.size(); ++v)
    std::sort(links_.begin() + static_cast<std::ptrdiff_t>(begin_[v]),
              links_.begin() + static_cast<std::ptrdiff_t>(begin_[v + 1]),
              [](const Link& x, const Link& y) { return x.other < y.other; });
  shift_.assign(shifts, 0);
  prices_.resize(network.rows.size(), 0);
  refresh();
  suggested_.assign(network.size(), 0);
  next_ = suggested_;
  best_prices_ = prices_;
}

// What moves to and fro gathers rounding errors; what the messages and prices come to is the bound.
void MessageBound::refresh() {
  potential_ = network_.costs;
  constant_ = 0;
  const std::vector<double> sums = RowUse::sums_of(prices_);
  for (size_t r = 0; r < prices_.size(); ++r) constant_ -= prices_[r] * use_.limits()[r];
  for (int32_t v = 0; v < network_.size(); ++v) {
    double* potential = potential_.data() + network_.first[v];
    use_.add_priced(v, sums, potential);
    for (size_t i = begin_[v]; i < begin_[v + 1]; ++i) {
      const double* own = shift(links_[i].edge, links_[i].first);
      for (int32_t x = 0; x < network_.domain(v); ++x) potential[x] -= own[x];
    }
    const double least = *std::min_element(potential, potential + network_.domain(v));
    constant_ += least;
    for (int32_t x = 0; x < network_.domain(v); ++x) potential[x] -= least;
  }
}

// Of each value of v, the least that the edge costs with it.
void MessageBound::least_of(int32_t v, const Link& link, std::vector<double>& least) const {
  const Network::Edge& edge = network_.edges[link.edge];
  const auto rows = static_cast<size_t>(network_.domain(edge.a));
  const auto columns = static_cast<size_t>(network_.domain(edge.b));
  const double* table = tables_.data() + edge.table;
  const double* of_a = shift(link.edge, true);
  const double* of_b = shift(link.edge, false);
  least.assign(static_cast<size_t>(network_.domain(v)), kForbidden);
  if (link.first) {
    for (size_t x = 0; x < rows; ++x) {
      double low = kForbidden;
      for (size_t y = 0; y < columns; ++y) low = std::min(low, table[x * columns + y] + of_b[y]);
      least[x] = low + of_a[x];
    }
  } else {
    for (size_t x = 0; x < rows; ++x)
      for (size_t y = 0; y < columns; ++y)
        least[y] = std::min(least[y], table[x * columns + y] + of_a[x]);
    for (size_t y = 0; y < columns; ++y) least[y] += of_b[y];
  }
}

void MessageBound::pull(int32_t v, const Link& link) {
  least_of(v, link, scratch_);
  double* potential = potential_.data() + network_.first[v];
  double* own = shift(link.edge, link.first);
  for (size_t x = 0; x < scratch_.size(); ++x) {
    potential[x] += scratch_[x];
    own[x] -= scratch_[x];
  }
}

// The cheapest value of v given those before it.
void MessageBound::suggest(int32_t v, bool forwards) {
  const int32_t values = network_.domain(v);
  const double* potential = potential_.data() + network_.first[v];
  scratch_.assign(potential, potential + values);
  for (size_t i = begin_[v]; i < begin_[v + 1]; ++i) {
    const Link& link = links_[i];
    if ((link.other < v) != forwards) continue;
    const Network::Edge& edge = network_.edges[link.edge];
    const auto columns = static_cast<size_t>(network_.domain(edge.b));
    const double* own = shift(link.edge, link.first);
    const auto other = static_cast<size_t>(next_[link.other]);
    const double* table = tables_.data() + edge.table + (link.first ? other : other * columns);
    const size_t stride = link.first ? columns : 1;
    for (int32_t x = 0; x < values; ++x) scratch_[x] += own[x] + table[x * stride];
  }
  next_[v] =
      static_cast<int32_t>(std::min_element(scratch_.begin(), scratch_.end()) - scratch_.begin());
}

void MessageBound::visit(int32_t v, bool forwards) {
  int32_t before = 0, after = 0;
  for (size_t i = begin_[v]; i < begin_[v + 1]; ++i) {
    if ((links_[i].other < v) == forwards) {
      pull(v, links_[i]);
      ++before;
    } else {
      ++after;
    }
  }
  suggest(v, forwards);
  const int32_t values = network_.domain(v);
  double* potential = potential_.data() + network_.first[v];
  const double least = *std::min_element(potential, potential + values);
  constant_ += least;
  for (int32_t x = 0; x < values; ++x) potential[x] -= least;
  if (after == 0) return;
  const double share = 1.0 / std::max(before, after);
  for (size_t i = begin_[v]; i < begin_[v + 1]; ++i) {
    if ((links_[i].other < v) == forwards) continue;
    double* own = shift(links_[i].edge, links_[i].first);
    for (int32_t x = 0; x < values; ++x) own[x] += share * potential[x];
  }
  const double kept = 1 - share * after;
  for (int32_t x = 0; x < values; ++x) potential[x] *= after >= before ? 0 : kept;
}

void MessageBound::pass() {
  constexpr int kExact = 16;  // passes without a fresh sum
  if (++passes_ % kExact == 0) refresh();
  for (int32_t v = 0; v < network_.size(); ++v) visit(v, true);
  for (int32_t v = network_.size(); v-- > 0;) visit(v, false);
  suggested_ = next_;
  bound_ = constant_;
  if (constant_ > best_) {
    without_gain_ = 0;
    best_ = constant_;
    best_prices_ = prices_;
    step_ = std::min(1.0, 1.05 * step_);
    return;
  }
  // Far below, a step was too long; slightly below, the messages may only need some passes.
  const bool far = best_ - constant_ > 0.5 * std::abs(target_ - best_);
  if (!far && ++without_gain_ < 12) return;
  without_gain_ = 0;
  step_ = step_ < 1e-3 ? 0.1 : 0.6 * step_;
  average_.clear();
  set_prices(best_prices_);
}

void MessageBound::set_prices(const std::vector<double>& prices) {
  std::vector<double> moves(prices.size());
  for (size_t r = 0; r < prices.size(); ++r) {
    moves[r] = prices[r] - prices_[r];
    constant_ -= moves[r] * use_.limits()[r];
  }
  prices_ = prices;
  const std::vector<double> sums = RowUse::sums_of(moves);
  for (int32_t v = 0; v < network_.size(); ++v)
    use_.add_priced(v, sums, potential_.data() + network_.first[v]);
}

void MessageBound::move_prices(double target) {
  const size_t rows = prices_.size();
  if (rows == 0) return;
  target_ = target;
  constexpr double kNew = 0.15;
  const std::vector<double> usages = usages_of(network_, suggested_);
  if (average_.empty()) average_ = usages;
  // An average near the limits would make for a step that knows no end.
  double norm = 0, norm_now = 0;
  for (size_t r = 0; r < rows; ++r) {
    average_[r] += kNew * (usages[r] - average_[r]);
    const double over = average_[r] - use_.limits()[r], now = usages[r] - use_.limits()[r];
    if (over > 0 || prices_[r] > 0) norm += over * over;
    if (now > 0 || prices_[r] > 0) norm_now += now * now;
  }
  norm = std::max(norm, norm_now);
  if (norm == 0) return;
  const double length = step_ * std::max(target - bound_, 1e-4 * std::abs(target)) / norm;
  std::vector<double> moved(rows);
  for (size_t r = 0; r < rows; ++r)
    moved[r] = std::max(0.0, prices_[r] + length * (average_[r] - use_.limits()[r]));
  set_prices(moved);
}

std::vector<double> MessageBound::bounds_of_values() {
  refresh();
  double bound = constant_;
  for (int32_t v = 0; v < network_.size(); ++v) {
    const auto begin = potential_.begin() + static_cast<std::ptrdiff_t>(network_.first[v]);
    bound += *std::min_element(begin, begin + network_.domain(v));
  }
  std::vector<double> result(potential_.size(), 0);
  for (int32_t v = 0; v < network_.size(); ++v) {
    double* of = result.data() + network_.first[v];
    const double* potential = potential_.data() + network_.first[v];
    const int32_t values = network_.domain(v);
    const double least = *std::min_element(potential, potential + values);
    for (int32_t x = 0; x < values; ++x) of[x] += potential[x] - least;
    for (size_t i = begin_[v]; i < begin_[v + 1]; ++i) {
      least_of(v, links_[i], scratch_);
      const double low = *std::min_element(scratch_.begin(), scratch_.end());
      if (links_[i].first) bound += low;
      for (int32_t x = 0; x < values; ++x) of[x] += scratch_[x] - low;
    }
  }
  for (double& value : result) value += bound;
  return result;
}

}  // namespace tessera
