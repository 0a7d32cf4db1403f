#pragma once

#include "ir/program.h"

namespace tessera {

// The program with every `grad(loss, wrt)` replaced by definitions that compute it, derived nest by
// nest in reverse. All other definitions it reads must be nests (normalize sees to it).
//
// For out[o] = sum[r] f(…, T[index], …) the adjoint of T is
//
//   dT[t] = sum over the loops (o, r) that are not dims of T  of  where(index == t, dout * df/dT,
//   0)
//
// and the condition is dropped for indices that are plain dims. A max or min hands its adjoint to
// the elements that reach it, in equal parts; prod to each element times the product of the
// others. Integers, booleans, argmax and floor have no gradient.
Program expand_gradients(const Program& program);

// d fn(args) / d args[k], given the value of fn itself. Zero where fn is constant almost
// everywhere.
Expr derivative(Fn fn, const std::vector<Expr>& args, const Expr& value, size_t k);

}  // namespace tessera
