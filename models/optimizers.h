#pragma once

#include "ir/program.h"
#include "models/schedules.h"

namespace tessera {

// Optimizers for Program::minimize. What they keep between steps are states of the program, named
// after the parameter: `w1_velocity`, `w1_mean`, `w1_square`; and `optimizer_step`, the number of
// steps done, where a rate changes.

// A number, or a schedule.
class Rate {
 public:
  Rate(double rate) : rate_(rate) {}                           // NOLINT: sgd(0.1)
  Rate(Schedule schedule) : schedule_(std::move(schedule)) {}  // NOLINT: sgd(cosine_schedule(…))

  // The rate in this step, as a value of `type`; counts steps in `program` if it must.
  Expr in(Program& program, DType type) const;

 private:
  double rate_ = 0;
  Schedule schedule_;
};

// w <- w - lr * g, or with momentum  v <- momentum * v + g,  w <- w - lr * v;
// nesterov looks ahead:  w <- w - lr * (g + momentum * v)  (Sutskever et al., 2013).
// weight_decay adds weight_decay * w to every gradient.
struct SgdOptions {
  Rate lr = 0.1;
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0;
};
Optimizer sgd(const SgdOptions& options);
Optimizer sgd(double lr, double momentum = 0);

struct AdamOptions {
  Rate lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

// Adam with bias correction (Kingma and Ba, 2015).
Optimizer adam(const AdamOptions& options = {});

// Adam, and w <- w - lr * weight_decay * w besides (Loshchilov and Hutter, 2019).
Optimizer adamw(const AdamOptions& options = {}, double weight_decay = 1e-2);

// Hands on gradients scaled so that the norm of all of them together is at most `largest`
// (Pascanu et al., 2013).
//
//   step.minimize(loss, clip_by_global_norm(1, adam({1e-3})));
Optimizer clip_by_global_norm(double largest, Optimizer optimizer);

}  // namespace tessera
