#pragma once

#include <vector>

#include "placement/anytime/row_use.h"
#include "placement/network.h"

namespace tessera {

// A lower bound by passing messages along the order of the variables, forwards and backwards
// (SRMP; Kolmogorov, 2015): each variable takes all that its edges from one side can give, and
// shares it out among those to the other side. Rows enter with prices, which follow the average
// excess of the assignments that the passes suggest. Any prices and any messages give a bound.
//
//   MessageBound b(n);  while (...) { b.pass(); b.move_prices(incumbent); }  b.best_bound()
class MessageBound {
 public:
  // `network` must outlive this; no factors, rows in spans only, unary costs finite.
  explicit MessageBound(const Network& network, std::vector<double> prices);

  // There and back. Suggests an assignment, and bounds the optimum.
  void pass();
  void move_prices(double target);

  // Of the messages of the last pass, at the prices that they were passed with.
  double bound() const { return bound_; }
  double best_bound() const { return best_; }
  const std::vector<double>& best_prices() const { return best_prices_; }
  const Values& suggested() const { return suggested_; }
  // For each value, what no assignment with it is cheaper than, at the present messages.
  std::vector<double> bounds_of_values();

 private:
  struct Link {
    int32_t edge;
    int32_t other;
    bool first;  // the variable is a of the edge
  };

  void refresh();
  void set_prices(const std::vector<double>& prices);
  void visit(int32_t v, bool forwards);
  void pull(int32_t v, const Link& link);
  void least_of(int32_t v, const Link& link, std::vector<double>& least) const;
  double* shift(int32_t edge, bool first) { return shift_.data() + shift_at_[2 * edge + !first]; }
  const double* shift(int32_t edge, bool first) const {
    return shift_.data() + shift_at_[2 * edge + !first];
  }
  void suggest(int32_t v, bool forwards);

  const Network& network_;
  RowUse use_;
  std::vector<double> tables_;  // without infinities
  std::vector<size_t> begin_;   // of links_, by variable; sorted by the other variable
  std::vector<Link> links_;
  std::vector<double> potential_;
  std::vector<size_t> shift_at_;
  std::vector<double> shift_;  // added to each edge, by value of a and of b
  double constant_ = 0;        // a bound as long as no potential is negative
  double bound_ = -kForbidden;
  std::vector<double> prices_;
  std::vector<double> average_;  // usage
  int64_t passes_ = 0;
  double target_ = 0;
  double step_ = 0.2;
  int without_gain_ = 0;
  double best_ = -kForbidden;
  std::vector<double> best_prices_;
  Values suggested_;
  Values next_;
  std::vector<double> scratch_;
};

}  // namespace tessera
