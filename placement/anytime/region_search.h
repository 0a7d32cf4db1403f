#pragma once

#include <cstdint>
#include <vector>

#include "placement/anytime/row_use.h"
#include "placement/network.h"

namespace tessera {

// Improves an assignment by solving regions of the network, while all other variables stay: a
// region is a forest, so that dynamic programming finds its cheapest values at given prices of
// rows, and a few steps along the subgradient find prices under which they fit into what the others
// leave. What still does not fit is taken back in connected parts, the dearest last.
//
// An assignment that exceeds rows, or takes forbidden choices, first loses those. The random
// numbers are a function of the seed; the outcome is one of the calls, not of the time they take.
class RegionSearch {
 public:
  // `network` must outlive this; no factors, rows in spans only.
  RegionSearch(const Network& network, uint64_t seed);

  void load(const Values& values);
  void set_prices(const std::vector<double>& prices) { prices_ = prices; }
  // Tries one region at random. True when the assignment has become better.
  bool step();
  // Gives one variable another value, and those around it the best ones then, whatever that costs;
  // what follows looks mostly there. False when that does not fit.
  bool shake();
  // Takes over the connected parts of another assignment that make this one better.
  bool blend(const Values& other);

  const Values& values() const { return values_; }
  bool feasible() const { return excess_ <= 0 && cost_ < forbidden_; }
  double cost() const { return cost_; }
  double excess() const { return excess_; }  // above limits, summed over rows

 private:
  struct Link {
    int32_t edge;
    int32_t other;
  };
  struct Member {
    int32_t variable;
    int32_t parent;  // place in the region, or -1
    int32_t edge;
    size_t base;  // into base_ and total_
    size_t choice;
  };

  struct Window {  // of rows
    int32_t begin;
    int32_t end;
  };

  uint64_t random();
  int32_t random(int32_t below) { return static_cast<int32_t>(random() % below); }
  double pair(int32_t edge, int32_t v, int32_t x, int32_t y) const;
  void recount();
  void choose_region();
  void grow(int32_t seed, int32_t size);
  bool join(int32_t v);
  int32_t seed_variable();
  void prepare_region();
  double minimise(const std::vector<double>& sums);
  double scaled_excess(const std::vector<double>& usage) const;
  double change_of(const std::vector<int32_t>& changed, const Values& next) const;
  bool offer(const Values& next, const std::vector<int32_t>& changed);
  bool take_parts(Values next, std::vector<int32_t> changed);
  Window window_of(const std::vector<int32_t>& variables) const;
  void add_changes(const std::vector<int32_t>& changed, const Values& next, const Window& window,
                   double sign, std::vector<double>& usage);
  double excess_in(const Window& window) const;
  double leave_room(const Window& window);

  const Network& network_;
  RowUse use_;
  uint64_t state_;
  double forbidden_ = 0;
  std::vector<double> tables_;
  std::vector<size_t> begin_;
  std::vector<Link> links_;
  std::vector<double> prices_;

  Values values_;
  std::vector<double> usage_;
  double cost_ = 0;
  double excess_ = 0;
  std::vector<int32_t> shaken_;
  std::vector<int32_t> tight_;  // rows that are nearly full, sampled

  std::vector<Member> region_;
  std::vector<int32_t> place_;  // in the region, or -1
  std::vector<double> base_;
  std::vector<double> total_;
  std::vector<int32_t> choice_;
  std::vector<double> message_;
  Values next_;
  // By row.
  std::vector<double> room_;
  std::vector<double> over_;
  std::vector<double> sums_;
  std::vector<double> step_prices_;
  std::vector<double> difference_;
};

}  // namespace tessera
