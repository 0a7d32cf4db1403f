#pragma once

#include <functional>
#include <vector>

#include "ir/nest.h"

namespace tessera {

// Linear homogeneous in some reads: f(x + y) = f(x) + f(y) and f(0) = 0, with everything else kept.
// Then the sum over ranks can be taken after f as well as before it. Found by structure: sums,
// differences, negation, products and quotients by something independent, `where` with an
// independent condition, casts between floats.
//
//   a * b + a   is linear in a,  not in b;   a + b  is linear in {a, b} together only
bool linear_in(const Expr& body, const std::function<bool(const Read&)>& member);

// Sets of tensors in all of whose reads the body is linear; smallest sets, at most `limit`.
// Only numeric tensors; tensors in declared order.
std::vector<std::vector<Tensor>> linear_sets(const Expr& body, size_t limit = 16);

}  // namespace tessera
