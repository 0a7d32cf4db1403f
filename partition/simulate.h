#pragma once

#include "ir/interpret.h"
#include "partition/lower.h"

namespace tessera {

// Runs one step on all ranks of the plan's mesh within this thread: every nest by the interpreter,
// every collective by copying between the ranks' arrays. `inputs` and `state` are global, as for
// `interpret`, and so are the outputs returned; `state` is updated. Must agree with interpret up to
// the order of reductions: the test of rules and lowering. Checks along the way that ranks which
// should hold the same data do, and throws InternalError otherwise.
Arrays simulate(const Program& program, const Plan& plan, const Arrays& inputs, Arrays& state,
                const LowerOptions& options = {});
Arrays simulate(const std::vector<ShardedProgram>& ranks, const Arrays& inputs, Arrays& state);

}  // namespace tessera
