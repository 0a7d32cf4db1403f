#pragma once

#include <cstdint>

#include "placement/network.h"

namespace tessera {

// Improves assignments by single changes, and by choosing a neighbourhood of variables at random
// and solving it exactly by elimination while the others stay (large neighbourhood search).
// Exceeded rows are penalised; the penalty grows while they stay exceeded. The random numbers are
// a function of the seed and work is counted in operations, so that the outcome is the same on
// every machine.
class LocalSearch {
 public:
  explicit LocalSearch(const Network& network, uint64_t seed = 1);

  // Starts from `values` and spends about `operations` elementary additions.
  void run(const Values& values, int64_t operations);

  // The cheapest assignment seen that obeys every row and takes no forbidden value.
  bool found() const { return !best_.empty(); }
  const Values& best() const { return best_; }
  double best_cost() const { return best_cost_; }
  int64_t operations() const { return spent_; }

 private:
  double change(int32_t v, int32_t x);
  size_t factor_stride(const Network::Factor& factor, int32_t v) const;
  size_t factor_entry(const Network::Factor& factor) const;
  void add_factors(Network& local, const std::vector<int32_t>& region,
                   const std::vector<int32_t>& number) const;
  void set(int32_t v, int32_t x);
  void descend();
  std::vector<int32_t> random_region(int32_t size, std::vector<int32_t>& number);
  double local_cost(int32_t v, int32_t x, const std::vector<int32_t>& number) const;
  void improve_region(int32_t size);
  double penalised() const;
  void load(const Values& values);
  void note();
  void raise_penalties();
  uint64_t random();

  Network network_;  // forbidden choices cost `big_`
  Incidence incidence_;
  double big_ = 0;
  // row_items_[row_begin_[v] ... row_begin_[v+1]): the rows of v and where its bytes lie.
  struct RowItem {
    int32_t row;
    size_t bytes;
  };
  std::vector<int32_t> row_begin_;
  std::vector<RowItem> row_items_;
  std::vector<std::vector<int32_t>> factors_at_;  // numbers of the factors of each variable

  Values values_;
  std::vector<double> usage_;
  std::vector<double> penalty_;
  Values best_;
  double best_cost_ = kForbidden;
  int64_t spent_ = 0;
  uint64_t state_;
};

}  // namespace tessera
