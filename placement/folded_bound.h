#pragma once

#include <vector>

#include "placement/build_network.h"

namespace tessera {

// A lower bound for all plans of a program, also those that decide likes differently, from a
// network in which likes are one variable.
//
// Costs move between decisions and the edges that they meet at, without changing what any plan
// costs, so that the sum of the separate minima grows; the copies of an edge all move the same (a
// dual of the local polytope, restricted to be the same for likes; the "handshake" of Tourani,
// Shekhovtsov, Rother and Savchynskyy, MPLP++, 2018). A decision's copies differ in which edges
// they meet, so that there is a minimum for each type of copies.
//
//   a chain of 96 layers of which 80 are alike:  80 times the least of one of them, and of how two
//   neighbours meet, in view of what both get from each other
class FoldedBound {
 public:
  // Of a network as build_network made it, which must outlive this.
  explicit FoldedBound(const PlacementNetwork& placement);

  // `passes` over all edges; the best bound so far.
  double ascend(int passes);
  double best() const { return best_; }
  int64_t pass_operations() const { return pass_operations_; }

  // Values chosen one after the other, each the best in view of those before, and of what is
  // expected of the others.
  Values rounded() const;
  // Of each decision, the `count` values that are the least expensive in view of what it gets from
  // all others, ascending.
  std::vector<std::vector<int32_t>> promising(size_t count) const;

 private:
  struct Edge {
    int32_t a, b;
    size_t table;  // of one copy; row-major over a, b
    size_t shift;  // what moved out of one copy: per value of a, then of b
    double copies;
    int32_t type_a, type_b;  // in view of which it is changed
    int times_a, times_b;    // that these types meet it
  };
  struct Meeting {
    int32_t type;
    int times;
  };

  size_t domain(int32_t v) const { return static_cast<size_t>(network_.domain(v)); }
  void handshake(const Edge& edge, size_t number);
  void move(size_t edge, const std::vector<double>& by_a, const std::vector<double>& by_b);
  double bound() const;
  std::vector<double> expected(size_t v) const;

  const Network& network_;
  const Skeleton& skeleton_;
  std::vector<Edge> edges_;
  std::vector<double> tables_;
  std::vector<double> shifts_;
  std::vector<size_t> first_;  // by type, into potentials_
  std::vector<double> potentials_;
  std::vector<std::vector<Meeting>> at_a_, at_b_;  // by edge: the types that meet it there
  std::vector<double> buffers_[4];                 // of a handshake
  double best_ = -kForbidden;
  int64_t pass_operations_ = 1;
};

}  // namespace tessera
