#include "models/schedules.h"

#include <cmath>
#include <numbers>

#include "base/error.h"

namespace tessera {
namespace {

void check_positive(int64_t value, const char* schedule, const char* what) {
  if (value >= 1) return;
  throw UserError(std::string(schedule) + ": `" + what + "` is " + std::to_string(value) +
                  "; it must be at least 1");
}

}  // namespace

Schedule constant_schedule(double rate) {
  return [=](const Expr& step) { return make_cast(step.type(), rate); };
}

Schedule step_schedule(double rate, int64_t every, double factor) {
  check_positive(every, "step_schedule", "every");
  return [=](const Expr& step) {
    return rate * exp(std::log(factor) * floor(step / static_cast<double>(every)));
  };
}

Schedule exponential_schedule(double rate, int64_t every, double factor) {
  check_positive(every, "exponential_schedule", "every");
  return [=](const Expr& step) {
    return rate * exp(std::log(factor) / static_cast<double>(every) * step);
  };
}

Schedule cosine_schedule(double rate, int64_t steps, int64_t warm_up, double last) {
  check_positive(steps - warm_up, "cosine_schedule", "steps - warm_up");
  return [=](const Expr& step) {
    const double length = static_cast<double>(steps - warm_up);
    const Expr done = min((step - static_cast<double>(warm_up)) / length, 1.0);
    Expr fall = last + (rate - last) * 0.5 * (1 + cos(std::numbers::pi * done));
    if (warm_up == 0) return fall;
    const double up = static_cast<double>(warm_up);
    return where(step < up, rate / up * step, fall);
  };
}

Schedule inverse_sqrt_schedule(double rate, int64_t warm_up) {
  check_positive(warm_up, "inverse_sqrt_schedule", "warm_up");
  return [=](const Expr& step) {
    const double up = static_cast<double>(warm_up);
    return where(step < up, rate / up * step, rate * sqrt(up / max(step, up)));
  };
}

}  // namespace tessera
