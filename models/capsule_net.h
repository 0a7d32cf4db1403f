#pragma once

#include "ir/program.h"

namespace tessera {

// Matrix capsules with EM routing (Hinton, Sabour and Frosst, ICLR 2018): a strided convolution,
// primary capsules at each of its positions, two layers of convolutional capsules and the class
// capsules, trained with the spread loss. Channels {32, 32, 32, 32} are the paper's network, {64,
// 8, 16, 16} its small one.
//
//   inputs   image[batch, y, x], truth[batch]: i32
//   outputs  loss (mean spread loss), accuracy (0 … 1)
//   states   margin_step, the steps done, from which the margin of the loss follows
struct CapsuleNetOptions {
  int64_t batch = 32;
  int64_t size = 28;  // pixels along y and along x
  // Of the convolution and of each layer of capsules, the first of which are the primary ones; at
  // least two. The first convolutional capsules have stride 2, further ones stride 1.
  std::vector<int64_t> channels = {16, 8, 8};
  int64_t kernel = 5;      // of the convolution, whose stride is 2
  int64_t pose = 4;        // rows and columns of a pose
  int64_t iterations = 3;  // of routing
  int64_t labels = 10;
  int64_t margin_ramp = 100;  // steps; see spread_margin
};

// One training step when an optimizer is given, else one evaluation, at the margin of the last
// step.
Program capsule_net(const CapsuleNetOptions& options, const Optimizer& optimizer = nullptr);

}  // namespace tessera
