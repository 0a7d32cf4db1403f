#pragma once

#include "partition/reshard.h"
#include "partition/rules.h"

namespace tessera {

// A reduced loop of which one block after the other is computed, while operands go around the ranks
// of the axes that turn it; see Choice. In each turn, all operands are at the same block.
//
//   on a=3 alone: rank r is at block (r + t) % 3 in turn t, and so in turn 0 at the one it holds
//   on a=3, b=3: rank (r, s) is at (r + s + t) % 3, to which operands are brought before turn 0
class TurningLoop {
 public:
  TurningLoop(const NestRules& rules, const Assignment& assignment, const Mesh& mesh);

  const Dim& loop() const { return loop_; }
  int count() const { return count_; }             // turns
  bool skews() const { return axes_.size() > 1; }  // do operands move before turn 0, too?
  int block(int rank, int turn) const;
  // The block that a rank has of what goes around over `axis`; in turn -1, as it lies.
  int held(int rank, int axis, int turn) const;
  Interval range(int rank, int turn) const;
  // The dim of the operand that goes around.
  int position_in(const NestRules& rules, size_t operand) const;

 private:
  const Mesh& mesh_;
  Dim loop_;
  Axes axes_;   // that turn it, of more than one rank
  Axes split_;  // that split it besides
  int count_ = 1;
};

// Seconds that what goes around takes to be moved in one run of the nest.
double turning_seconds(const NestRules& rules, const Assignment& assignment, const Mesh& mesh,
                       const CommCost& cost);

}  // namespace tessera
