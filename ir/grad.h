#pragma once

#include <functional>

#include "ir/nest.h"

namespace tessera {

// Reverse-mode differentiation of one nest, derived from how it uses its indices.
//
// For out[o] = sum[r] f(…, T[index], …) the adjoint of T receives
//
//   dT[t] += sum over the loops (o, r) that are no dims of T of  where(index == t, dout * df/dT, 0)
//
// and the condition is left out for indices that are plain loops. `max` and `min` hand their
// adjoint to the elements that reach the extreme, in equal parts; `prod` gives each element the
// product of the others. Integers, booleans and comparisons have no gradient.

// What differentiating may add to a program: a definition, of which it gets the tensor.
using Define = std::function<Tensor(const std::string& stem, const Expr& value)>;

// The contribution of `nest` to the adjoint of `wrt`, over dims of `wrt` (some may be missing: the
// value is the same along those). `out_adjoint` is over the dims of nest.out and `along`: it is the
// adjoint for each index of these on its own, and so is the result. Nothing when the nest does not
// depend on `wrt` in a differentiable way.
std::optional<Expr> adjoint_contribution(const Nest& nest, const Tensor& wrt,
                                         const Expr& out_adjoint, const Dims& along,
                                         const Define& define);

// Of the adjoint: those of the tensor, and those of a loss that is derived at each of its indices.
Dims adjoint_dims(const Tensor& loss, const Tensor& tensor);

// Can a derivative lead from the nest to `wrt`, which it may read?
bool is_differentiable(const Nest& nest, const Tensor& wrt);

// d fn(args) / d args[k], given the value of fn itself; nothing where it is zero.
std::optional<Expr> derivative(Fn fn, const std::vector<Expr>& args, const Expr& value, size_t k);

}  // namespace tessera
