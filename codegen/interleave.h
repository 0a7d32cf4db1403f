#pragma once

#include "codegen/loop_nest.h"
#include "codegen/vector_target.h"

namespace tessera {

// A running value is ready for its next step only some cycles after it was for the last one. So
// that short steps need not wait, consecutive steps of the innermost reduced loop go into running
// values of their own, which are combined at the end:
//
//   a = a + x[0]; a = a + x[1]; …          4 cycles each
//   a = a + x[0]; b = b + x[1]; …; a + b   2 cycles each
//
// How many there are of each of the stage's reductions; 1 where steps are long enough as it is.
int interleaved_steps(const LoopNest& nest, const Stage& stage, const VectorTarget& target);

// Cycles that one step of the stage's reductions waits for the step before, of those that are taken
// in turns.
double stalled_cycles(const LoopNest& nest, const Stage& stage, const VectorTarget& target);

}  // namespace tessera
