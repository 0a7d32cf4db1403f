#pragma once

#include <map>
#include <vector>

#include "ir/program.h"

namespace tessera {

// How many values a parameter's element is added up with (in), and how many sums it goes into
// (out): the volumes of the dims that are summed away and of the others.
struct Fans {
  double in = 1;
  double out = 1;
};

// Derived from the program as it is written, before gradients and updates are: the first sum, in
// the order of lines, in which the parameter meets something else along a dim of its own tells
// which of its dims are summed away. A definition that only rescales or casts the parameter counts
// as the parameter; a sum of nothing but the parameter, such as its norm, tells nothing.
//
//   param w[pixel, hidden];  h = tanh(sum[pixel](image * w))     in: pixel, out: hidden
//
// Made once for a program, it finds the fans of a parameter in the time that reading its readers
// takes.
class FanFinder {
 public:
  explicit FanFinder(const Program& program);

  Fans of(const Tensor& parameter) const;

  // The parameter's first values with its fans written down, `glorot(784, 10)` for `glorot()`; any
  // other first values as they are. Normal form holds them, where gradients are sums as well.
  Initializer settled(const Tensor& parameter) const;

 private:
  std::vector<Tensor> computed_;                   // in the order of computing
  std::map<Tensor, std::vector<size_t>> readers_;  // by their places among those
};

}  // namespace tessera
