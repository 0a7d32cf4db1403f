#pragma once

#include "ir/program.h"

namespace tessera {

// Optimizers for Program::minimize. What they keep between steps are states of the program, named
// after the parameter: `w1_velocity`, `w1_mean`, `w1_square`.

// w <- w - lr * g, or with momentum  v <- momentum * v + g,  w <- w - lr * v.
Optimizer sgd(double lr, double momentum = 0);

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

// Adam with bias correction (Kingma and Ba, 2015).
Optimizer adam(const AdamOptions& options = {});

}  // namespace tessera
