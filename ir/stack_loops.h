#pragma once

#include "ir/program.h"

namespace tessera {

// The form of a program that planning and running start from: loops as they will run. The same
// values, but
//   - a tensor that a loop computes has the dims that the loops around it iterate first, outermost
//     first, so that what one iteration computes is one piece of memory;
//   - a tensor that is computed before a loop, and of which an iteration reads one place along some
//     dim, has that dim first, too;
//   - a carried tensor begins as another tensor, and has the order of dims of what it is
//     updated with;
//   - a carried tensor that stands in no loop over its dim (see sequence.h) is a definition.
//
//   carry s over t = 0.0 * x[t: 0];  update s = s + x        with s over k and t
//   gives   s_first[k] = 0.0 * x[t: 0];  carry s[t, k] over t = s_first;  …
//
// `normal` is in normal form (normalize.h), and so is the result.
Program stack_loops(const Program& normal);

}  // namespace tessera
