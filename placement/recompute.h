#pragma once

#include <optional>
#include <vector>

#include "partition/plan.h"
#include "placement/predict.h"

namespace tessera {

// Which definitions to compute a second time so that a plan holds at most `memory` bytes, and still
// takes little longer: what is made early and read late, as backward passes read what forward
// passes have made.
//
//   100 layers, each of whose activations its gradient reads: all but those that cost most to make,
//   for the memory that they hold, are made again, layer by layer, in the backward pass
//
// Tried on the steps of one rank alone, without lowering anything (steps_again.h): of the nests of
// one class, what is held at the fullest moment goes together, that class first which holds most
// for the seconds that it takes to make again. Of a class whose members lead to one another, such
// as the results of layers, some are kept in between; and what turns out not to be needed is kept
// after all, the dearest first.
struct RecomputationChoice {
  std::vector<Recomputation> recomputed;
  double seconds = 0;  // more than without
  int64_t peak = 0;    // predicted
};

// The best that was found, whether or not it obeys the limit; nothing where nothing helps, and for
// programs with loops. `local` is what the first rank does by `plan`, which recomputes nothing, of
// the program in_early_order.
std::optional<RecomputationChoice> choose_recomputation(const ProgramRules& rules, const Plan& plan,
                                                        const ShardedProgram& local,
                                                        const Prices& prices, int64_t memory);

// The same program, its definitions in the order that recomputation comes with.
Program in_early_order(const Program& normal);

// The plan that decides for copies as it does for what they copy.
Plan with_recomputation(const Program& normal, const Plan& plan,
                        const std::vector<Recomputation>& recomputed);

}  // namespace tessera
