#include "placement/anytime/row_use.h"

#include <numeric>

namespace tessera {

RowUse::RowUse(const Network& network) : network_(network), begin_(network.size() + 1, 0) {
  for (const Network::Span& span : network.spans) ++begin_[span.variable + 1];
  std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
  spans_.resize(network.spans.size());
  std::vector<size_t> next(begin_.begin(), begin_.end() - 1);
  for (const Network::Span& span : network.spans) spans_[next[span.variable]++] = span;
  for (const Network::Row& row : network.rows) limits_.push_back(row.limit);
}

std::vector<double> RowUse::sums_of(const std::vector<double>& prices) {
  std::vector<double> sums(prices.size() + 1, 0);
  std::partial_sum(prices.begin(), prices.end(), sums.begin() + 1);
  return sums;
}

void RowUse::add_priced(int32_t v, const std::vector<double>& sums, double* costs) const {
  const int32_t values = network_.domain(v);
  for (const Network::Span& span : of(v)) {
    const double price = sums[span.end] - sums[span.begin];
    if (price == 0) continue;
    const double* bytes = network_.bytes.data() + span.bytes;
    for (int32_t x = 0; x < values; ++x) costs[x] += price * bytes[x];
  }
}

}  // namespace tessera
