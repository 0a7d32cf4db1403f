#pragma once

#include <functional>

#include "ir/functions.h"

namespace tessera {

// Learning rates that change as training goes on: functions from the number of steps done (a
// float without dims, 0 in the first step) to a rate. Any other function of that kind will do.
//
//   step.minimize(loss, sgd({cosine_schedule(0.1, 10000, 500)}));
using Schedule = std::function<Expr(const Expr& step)>;

Schedule constant_schedule(double rate);

// rate * factor^(step // every)
Schedule step_schedule(double rate, int64_t every, double factor = 0.1);

// rate * factor^(step / every)
Schedule exponential_schedule(double rate, int64_t every, double factor = 0.1);

// From 0 up to `rate` in a line over `warm_up` steps, then down to `last` along half a cosine,
// which ends at `steps` (Loshchilov and Hutter, 2017).
Schedule cosine_schedule(double rate, int64_t steps, int64_t warm_up = 0, double last = 0);

// From 0 up to `rate` in a line over `warm_up` steps, then rate * sqrt(warm_up / step) (Vaswani et
// al., 2017).
Schedule inverse_sqrt_schedule(double rate, int64_t warm_up);

}  // namespace tessera
