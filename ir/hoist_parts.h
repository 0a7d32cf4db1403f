#pragma once

#include "ir/order_sum.h"

namespace tessera {

// `value`, a nest, with parts of its formula that run over fewer loops than the nest computed once,
// as definitions, where computing them at each of its points costs clearly more than storing and
// reading them. What one side of a `where` reads only there, and might read outside, stays.
//
//   max[j](gelu(a[i,k]) + b[j,k])   becomes   max[j](t + b)   with  t = gelu(a)
//   tanh(a[i]) + b[i,j]             becomes   t + b           with  t = tanh(a)
Expr hoist_parts(const Expr& value, const SumSurroundings& surroundings);

}  // namespace tessera
