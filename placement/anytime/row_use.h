#pragma once

#include <span>
#include <vector>

#include "placement/network.h"

namespace tessera {

// The spans of a network by variable, and sums over its rows: what assignments take, and what
// prices make of it. A price is a cost for each byte in a row.
class RowUse {
 public:
  explicit RowUse(const Network& network);

  std::span<const Network::Span> of(int32_t v) const {
    return {spans_.data() + begin_[v], spans_.data() + begin_[v + 1]};
  }
  // Sums of prices of the rows before each row, one more than there are rows.
  static std::vector<double> sums_of(const std::vector<double>& prices);
  // Adds what the values of v cost at those prices.
  void add_priced(int32_t v, const std::vector<double>& sums, double* costs) const;
  // Adds what v takes with value x, `sign` times, to differences of neighbouring rows.
  void add_change(int32_t v, int32_t x, double sign, std::vector<double>& change) const {
    for (const Network::Span& span : of(v)) {
      const double bytes = sign * network_.bytes[span.bytes + x];
      change[span.begin] += bytes;
      change[span.end] -= bytes;
    }
  }
  const std::vector<double>& limits() const { return limits_; }

 private:
  const Network& network_;
  std::vector<size_t> begin_;
  std::vector<Network::Span> spans_;
  std::vector<double> limits_;
};

}  // namespace tessera
