#pragma once

#include "ir/program.h"

namespace tessera {

// Normalizations: (x - mean) / sqrt(variance + epsilon) * scale + shift, which differ in the dims
// that mean and variance are taken over. Variances are those of the population (divided by n).

struct Moments {
  Tensor mean;
  Tensor variance;
};

// Mean and variance over dims. x[…, over] -> […]
Moments moments(const Dims& over, const Expr& x);

// Over the features of one example (Ba, Kiros and Hinton, 2016).
//   x[…, over], scale[over], shift[over]  ->  […, over]
Expr layer_norm(const Dims& over, const Expr& x, const Expr& scale, const Expr& shift,
                double epsilon = 1e-5);

// x / sqrt(mean[over](x*x) + epsilon) * scale (Zhang and Sennrich, 2019).
//   x[…, over], scale[over]  ->  […, over]
Expr rms_norm(const Dims& over, const Expr& x, const Expr& scale, double epsilon = 1e-6);

// Over `groups` equal runs of channels and the dims `over`, as {y, x} (Wu and He, 2018).
//   x[…, channel, over], scale[channel], shift[channel]  ->  […, channel, over]
// Throws UserError when `groups` does not divide the channels.
struct GroupNormOptions {
  int64_t groups = 1;
  double epsilon = 1e-5;
};
Expr group_norm(const Dim& channel, const Dims& over, const Expr& x, const Expr& scale,
                const Expr& shift, const GroupNormOptions& options);

// With given mean and variance, as a trained network does (Ioffe and Szegedy, 2015).
//   x[…, channel], mean, variance, scale, shift[channel]  ->  […, channel]
struct ScaleShift {
  Expr scale;
  Expr shift;
  double epsilon = 1e-5;
};
Expr batch_norm(const Expr& x, const Moments& given, const ScaleShift& affine);

// One training step of the same: normalizes by the moments over `over`, as {batch, y, x}, and adds
// to `program` the states `NAME_mean` and `NAME_variance`, which follow them:
//
//   mean <- (1 - rate) * mean + rate * batch mean
//
// and for the variance its unbiased estimate, divided by n - 1.
//   x[…, channel, over], scale[channel], shift[channel]  ->  […, channel, over]
//
//   Expr h = batch_norm_training(step, "norm1", {batch, y, x}, image, {scale, shift});
Expr batch_norm_training(Program& program, const std::string& name, const Dims& over, const Expr& x,
                         const ScaleShift& affine, double rate = 0.1);

// The states of a batch norm called `name`, made where the program has none yet.
Moments running_moments(Program& program, const std::string& name, const Dims& dims, DType type);

}  // namespace tessera
