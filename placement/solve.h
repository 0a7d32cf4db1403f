#pragma once

#include <string>
#include <vector>

#include "placement/network.h"

namespace tessera {

struct SolveOptions {
  // Work in elementary additions, the same on every machine: ranks that solve the same network
  // under the same options get the same answer.
  int64_t operations = 400'000'000;
  // Largest table kept by elimination, in numbers.
  size_t table_entries = size_t{1} << 24;
  // Assignments to start from; the answer is never costlier than the best that obeys the rows.
  std::vector<Values> starts;
  uint64_t seed = 1;
};

struct SolveStats {
  std::string method;  // "presolve", "elimination", "branch and bound", "dual ascent"
  int32_t variables = 0;
  int32_t variables_left = 0;  // after presolve
  int32_t width = 0;           // of the elimination, 0 where there was none
  int64_t nodes = 0;
  int64_t operations = 0;
};

// `bound` <= optimum <= `cost`. Without an assignment `values` is empty and cost is kForbidden;
// then bound == kForbidden proves that there is none.
struct Solution {
  Values values;
  double cost = kForbidden;
  double bound = -kForbidden;
  SolveStats stats;

  bool found() const { return !values.empty() || cost != kForbidden; }
  bool optimal() const;
  // (cost - bound) / cost; 0 when optimal.
  double gap() const;
};

// Presolve; then elimination where the tables fit (exact), with multipliers and branch and bound
// when rows are left; where they do not fit, dual ascent for the bound and local search for the
// assignment.
Solution solve(const Network& network, const SolveOptions& options = {});

}  // namespace tessera
