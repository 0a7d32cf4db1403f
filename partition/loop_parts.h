#pragma once

#include <optional>
#include <vector>

#include "partition/rules.h"

namespace tessera {

// Which indices of each loop of a nest one rank goes through under an assignment: its block, where
// axes share the loop; of a reduced loop that an equation around the body ties to others, those at
// which it may hold, since elsewhere nothing is added; and else all.
//
//   dx[y] = sum[oy, ky](where(2*oy + ky == y, g[oy] * w[ky], 0)), y = 16 on a=2, ky = 3:
//   on the second rank y 8 … 15, oy 3 … 7, ky 0 … 2
class LoopParts {
 public:
  // All are kept.
  LoopParts(const NestRules& rules, const Assignment& assignment, const Mesh& mesh, int rank)
      : rules_(rules), assignment_(assignment), mesh_(mesh), rank_(rank) {}

  Interval block(const Dim& loop) const;
  Interval of(const Dim& loop) const;
  // The indices along a dim of `extent` that `index` reaches, cut to it; nothing where an index
  // reads data.
  std::optional<Interval> reach(const Expr& index, int64_t extent) const;
  // The same of `index % extent`, where `index` is affine: a range that begins below the extent and
  // may go beyond it, and then stands for what follows from 0 on.
  Interval reach_around(const Expr& index, int64_t extent) const;

 private:
  std::optional<IndexRange> range(const Expr& index, bool& empty) const;
  Interval narrowed(const Dim& loop, const Equation& equation, const Interval& within) const;

  const NestRules& rules_;
  const Assignment& assignment_;
  const Mesh& mesh_;
  const int rank_;
};

// x of an index `x % extent`, if x is affine: it goes around the dim.
std::optional<Expr> around_of(const Expr& index, int64_t extent);

// Are there equations by which `of` may leave indices of the loop out?
bool may_narrow(const NestRules& rules, const Dim& loop);

// The axes of more than one rank on which the reach of an index depends: outermost the one whose
// loop moves it furthest.
Axes axes_of_reach(const Expr& index, const NestRules& rules, const Assignment& assignment,
                   const Mesh& mesh);

}  // namespace tessera
