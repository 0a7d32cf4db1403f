#pragma once

#include "partition/plan.h"
#include "partition/sharded_program.h"
#include "placement/distances.h"
#include "placement/program_rules.h"

namespace tessera {

// What prices a plan. References must outlive their use.
struct Prices {
  const Cluster& cluster;
  const KernelSeconds& kernel_seconds;
  const CommCost& comm;
  KernelTimes& kernels;
  Distances& distances;
};

// The objective of placement, in seconds per step: nests, reading inputs and resharding, one after
// the other. What runs takes no longer by this model, as communication can hide behind computing.
//
// Priced from the plan alone, without a network: the two must agree for plans in the network's
// space, and with the collectives that lowering makes.
struct Objective {
  double compute = 0;  // nests, and reading inputs
  double communicate = 0;
  double seconds() const { return compute + communicate; }
};
Objective objective_of(const ProgramRules& rules, const Plan& plan, const Prices& prices);

// Fills everything of plan.predicted but the bound, the gap and the search time. `local`: what the
// first rank does.
void predict(const ProgramRules& rules, const ShardedProgram& local, const Prices& prices,
             Plan& plan);

// The prediction for a plan that came from elsewhere, such as a file; the bound stays 0.
// `kernels` may be empty: a roofline then.
Prediction predict(const Program& normal, const Plan& plan, const Cluster& cluster,
                   const KernelSeconds& kernels = {});

}  // namespace tessera
