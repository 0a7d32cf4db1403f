#pragma once

#include "ir/program.h"

namespace tessera {

// The same program, with gradients, in which each reduction is a definition of its own, equal ones
// one definition, and no definition is only another one's name. So what is done to reductions later
// depends on what a program computes and not on what it names.
//
//   t = sum[k](x * y)                                     t = sum[k](x * y)
//   u = t                                        becomes  z_1 = max[j](t)
//   z = exp(u - max[j](sum[k](y * x)))                    z = exp(t - z_1)
//
// A sum of a sum that nothing else reads is one sum.
//
// Parts that several of the formulas made of one line share are named as well (shared_parts.h).
// What stands in a checkpoint stays there.
Program name_reductions(const Program& program);

}  // namespace tessera
