#pragma once

#include <map>
#include <optional>
#include <vector>

#include "ir/sequence.h"

namespace tessera {

// The bool that says after each iteration whether the loop goes on, if there is one: what a carried
// bool is updated with, such that once it is false it stays so, and then nothing that the loop
// carries changes any more. `loop(…)` with a condition makes such loops.
//
//   going_next = going and gap > 1e-3;  root_next = where(going_next, (root + 2 / root) / 2, root)
std::optional<Tensor> condition_of(const Program& program, const SequenceLoop& loop);

// By condition, what stays as it is once that has failed. They belong into one loop, which then may
// end, even if the condition does not depend on all of them:
//
//   n_next = where(going_next, n + 1, n)       gives {going_next: n, root, …}
std::map<Tensor, std::vector<Tensor>> held_by_conditions(const Program& program);

}  // namespace tessera
