#pragma once

#include <functional>
#include <vector>

#include "placement/network.h"

namespace tessera {

// A smaller network with the same optimum, and the way back.
//
// Four exact reductions run until none applies: values without support in some neighbour and
// values that another one dominates (never costlier whatever the neighbours do, never more bytes in
// any row) are dropped; a variable with one value left is folded into its neighbours; a variable
// that a neighbour determines is merged into it; a variable in no row with at most two neighbours
// is minimised out. Rows that cannot be exceeded are dropped, and values that exceed one whatever
// the others do; what takes the same bytes with every value leaves the limit. Where the network has
// spans, rows keep their numbers and none is dropped.
struct Reduced {
  Network network;
  double constant = 0;      // cost of what was folded away
  bool infeasible = false;  // proven: no assignment is allowed

  // Reduced variable -> original variable, reduced value -> original value.
  std::vector<int32_t> variable;
  std::vector<std::vector<int32_t>> value;

  // Variable `variable` takes choice[index over the values of `parents`], row-major.
  struct Folded {
    int32_t variable;
    std::vector<int32_t> parents;  // 0, 1 or 2 original variables, with their domains
    std::vector<int32_t> domains;
    std::vector<int32_t> choice;
  };
  std::vector<Folded> folded;  // in order of folding
  int32_t original_size = 0;
  // instead[v][x]: the value that dominates x of v, or -1; empty where there is none.
  std::vector<std::vector<int32_t>> instead;
};

// True once there is no time left.
using Stop = std::function<bool()>;
inline bool never() {
  return false;
}

// `operations` bounds the work spent on dominance, the only expensive reduction. After `stop` no
// further reduction begins: what is returned has the same optimum, but is larger.
Reduced presolve(const Network& network, int64_t operations = 50'000'000, const Stop& stop = never);

// The original assignment behind one of the reduced network.
Values restore(const Reduced& reduced, const Values& values);
// The reverse, for warm starts; a value that was dropped becomes the one that dominates it, or else
// the cheapest.
Values project(const Reduced& reduced, const Values& original);

}  // namespace tessera
