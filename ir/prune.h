#pragma once

#include <set>

#include "ir/program.h"

namespace tessera {

// All tensors of a program; where it has loops, those that are computed in the order of computing.
std::vector<Tensor> in_order(const Program& program);

// What a program keeps of itself: its outputs and updates, and its pins that name a tensor of it.
// `marked` definitions become checkpoints.
struct Kept {
  std::vector<Output> outputs;
  std::vector<Update> updates;
  std::set<Tensor> marked;
  std::vector<Pin> pins;
};

// The part of `whole`, in normal form, that is needed for what is kept, without the markers that
// only gradients look at.
Program prune(const Program& whole, const Kept& kept);

}  // namespace tessera
