#pragma once

#include <cstdint>
#include <vector>

#include "ir/program.h"

namespace tessera {

// A classifier of flat images: dense layers with relu between them.
//
//   inputs   image[batch, pixel], truth[batch]: i32
//   outputs  loss (mean cross-entropy, nats), accuracy (0 … 1)
struct MlpOptions {
  int64_t batch = 256;
  int64_t pixels = 784;
  std::vector<int64_t> hidden = {512, 512};
  int64_t labels = 10;
};

// One training step when an optimizer is given, else one evaluation.
Program mlp(const MlpOptions& options, const Optimizer& optimizer = nullptr);

}  // namespace tessera
