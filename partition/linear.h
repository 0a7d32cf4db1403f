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

// The same for a maximum or a minimum: f(max(x, y)) == max(f(x), f(y)), with everything else kept.
// So it is for what rises with each of the reads and does not join two of them by anything but
// `op`. What rises: sums with something independent, products and quotients by a positive constant,
// exp, tanh, erf, max and min with something independent, `where` with an independent condition,
// conversions between floats. Integers are not added to, since sums may wrap.
//
//   max(a, b) + c   rises with {a, b} and with a
//   a + b           with a, not with {a, b}
//   a * c           with none
bool rises_in(const Expr& body, ReduceOp op, const std::function<bool(const Read&)>& member);

// Sets of tensors in all of whose reads the body rises; single ones, and all of those together.
std::vector<std::vector<Tensor>> rising_sets(const Expr& body, ReduceOp op,
                                             const std::vector<Tensor>& tensors);

}  // namespace tessera
