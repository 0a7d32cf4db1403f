#pragma once

#include <map>

#include "ir/program.h"

namespace tessera {

// Which dims a program goes along one iteration at a time to compute a formula: those that carried
// tensors go over, where what the formula reads comes from them, directly or not. What does not
// come from them is computed for all iterations at once, before.
//
//   carry h over t = 0.0;  update h = tanh(sum[k](x * w) + sum[j](h * u))
//     sum[j](h * u)   over t
//     sum[k](x * w)   none: one product for all t
//
// What only reads a loop's results, at every place of t, is taken to be iterated, too.
class CarriedDims {
 public:
  // Of a program that may still grow.
  explicit CarriedDims(const Program& program) : program_(program) {}

  Dims of(const Expr& formula);

 private:
  Dims known(const Expr& formula) const;

  const Program& program_;
  std::map<Tensor, Dims> carried_;  // none where it is not there
  size_t seen_ = 0;                 // tensors of the program that are in `carried_`
};

}  // namespace tessera
