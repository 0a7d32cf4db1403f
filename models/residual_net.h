#pragma once

#include "ir/program.h"

namespace tessera {

// A classifier of images: a residual network of bottlenecks (He et al., 2016), with batch norm.
// Stages {3, 8, 36, 3} of width 64 are its 152 layers, {3, 4, 6, 3} its 50.
//
//   inputs   image[batch, y, x, colour], truth[batch]: i32
//   outputs  loss (mean cross-entropy, nats), accuracy (0 … 1)
struct ResidualNetOptions {
  int64_t batch = 8;
  int64_t size = 16;                     // pixels along y and along x
  std::vector<int64_t> blocks = {1, 1};  // of each stage; from the second on, the first halves
  int64_t width = 8;                     // channels inside the first stage's blocks
  int64_t labels = 10;
};

// One training step when an optimizer is given, else one evaluation, which normalizes by the
// running statistics that training leaves.
Program residual_net(const ResidualNetOptions& options, const Optimizer& optimizer = nullptr);

}  // namespace tessera
