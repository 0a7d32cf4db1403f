#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "placement/network.h"

namespace tessera {

// The rows of a network while it shrinks. Costs of the values that are left, by variable, belong to
// the caller; a value that has been dropped costs kForbidden there, and here as well.
//
//   limit 10, a takes {8, 4, 12}, b takes {3, 5}
//   simplify() drops value 2 of a; after fix(a, 1) the limit is 6, and simplify() drops the row
class PresolveRows {
 public:
  // The bytes of each value in the rows [begin, end).
  struct Bytes {
    int32_t begin;
    int32_t end;
    std::vector<double> bytes;
  };

  PresolveRows(const Network& network, std::vector<std::vector<double>>& unary);

  const std::vector<Bytes>& of(int32_t v) const { return at_[v]; }
  bool infeasible() const { return infeasible_; }
  // Drops rows that hold for every assignment and values that fit into none; what a variable takes
  // with every value leaves the limit. True when something went.
  bool simplify();
  // The variable takes value x, and is gone.
  void fix(int32_t v, int32_t x);
  // Value x of a implies choice[x] of b, which is gone.
  void merge(int32_t a, int32_t b, const std::vector<int32_t>& choice);
  // The rows that are left go into `network`: values[number] of the variables with numbers.
  void compact(const std::vector<int32_t>& number, const std::vector<std::vector<int32_t>>& values,
               Network& network) const;

 private:
  bool alive(int32_t v, size_t x) const { return unary_[v][x] != kForbidden; }
  std::pair<double, double> range_of(int32_t v, const Bytes& row) const;
  void take_from_limits(const Bytes& row, double bytes);
  bool drop_too_big(int32_t v, const Bytes& row, double over);
  Bytes* row_of(int32_t v, const Bytes& row);

  std::vector<std::vector<double>>& unary_;
  std::vector<std::vector<Bytes>> at_;
  std::vector<double> limits_;
  bool keep_rows_;  // all rows, with their numbers, as spans
  bool infeasible_ = false;
};

}  // namespace tessera
