#pragma once

#include "ir/program.h"

namespace tessera {

// A classifier of images: two stages of convolution, batch norm, relu and max pooling by 2, then a
// dense layer.
//
//   inputs   image[batch, y, x], truth[batch]: i32
//   outputs  loss (mean cross-entropy, nats), accuracy (0 … 1)
struct CnnOptions {
  int64_t batch = 128;
  int64_t size = 28;                         // pixels along y and along x
  std::vector<int64_t> channels = {16, 32};  // of each stage
  int64_t kernel = 5;
  int64_t labels = 10;
};

// One training step when an optimizer is given, else one evaluation, which normalizes by the
// running statistics that training leaves.
Program cnn(const CnnOptions& options, const Optimizer& optimizer = nullptr);

}  // namespace tessera
