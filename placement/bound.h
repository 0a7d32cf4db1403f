#pragma once

#include <vector>

#include "placement/network.h"

namespace tessera {

// A lower bound for networks too wide for elimination, by dual block-coordinate ascent: costs move
// between variables and edges without changing the cost of any assignment, so that the sum of the
// separate minima grows (the "handshake" updates of Tourani, Shekhovtsov, Rother and Savchynskyy,
// MPLP++, 2018). Rows enter with multipliers: bytes above the limit cost `multiplier` each, which
// keeps the bound valid for every multiplier >= 0.
//
//   DualBound dual(n);  double low = dual.ascend(50);  Values guess = dual.rounded();
class DualBound {
 public:
  // `network` must outlive this and have no forbidden value without support (see presolve).
  explicit DualBound(const Network& network);

  // `passes` over all edges, then the bound. Never lower than the last one as long as the
  // multipliers stay the same.
  double ascend(int passes);
  // One step along the rows' subgradient towards `target`, an upper bound of the optimum.
  void move_multipliers(double target, double step);
  const std::vector<double>& multipliers() const { return multipliers_; }

  // Values chosen one after the other, each the best given those before.
  Values rounded() const;
  double bound() const;  // factors count with their least cost only

 private:
  void handshake(size_t edge);
  double at(size_t edge, size_t x, size_t y) const;

  const Network& network_;
  Incidence incidence_;
  std::vector<double> potential_;  // costs after reparametrisation, laid out like network.costs
  std::vector<size_t> shift_begin_;
  std::vector<double> shift_;  // what moved out of each edge: first per value of a, then of b
  std::vector<double> multipliers_;
};

}  // namespace tessera
