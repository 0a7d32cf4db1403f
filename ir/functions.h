#pragma once

#include "ir/expr.h"

namespace tessera {

// What a program is written with. All align by dim and broadcast the rest; arguments of different
// types are a UserError at the caller's line (see Expr for literals).

using Where = SourceLocation;

Expr operator+(const Expr& a, const Expr& b);
Expr operator-(const Expr& a, const Expr& b);
Expr operator*(const Expr& a, const Expr& b);
Expr operator/(const Expr& a, const Expr& b);
Expr operator%(const Expr& a, const Expr& b);  // floored: the result has the sign of b
Expr operator-(const Expr& a);
Expr operator<(const Expr& a, const Expr& b);
Expr operator<=(const Expr& a, const Expr& b);
Expr operator>(const Expr& a, const Expr& b);
Expr operator>=(const Expr& a, const Expr& b);
Expr operator&&(const Expr& a, const Expr& b);
Expr operator||(const Expr& a, const Expr& b);
Expr operator!(const Expr& a);

// `==` would compare handles; these compare elements.
Expr equal(const Expr& a, const Expr& b, const Where& = std::source_location::current());
Expr differs(const Expr& a, const Expr& b, const Where& = std::source_location::current());

Expr floordiv(const Expr& a, const Expr& b, const Where& = std::source_location::current());
Expr min(const Expr& a, const Expr& b, const Where& = std::source_location::current());
Expr max(const Expr& a, const Expr& b, const Where& = std::source_location::current());
Expr pow(const Expr& a, const Expr& b, const Where& = std::source_location::current());
Expr abs(const Expr& x, const Where& = std::source_location::current());
Expr exp(const Expr& x, const Where& = std::source_location::current());
Expr log(const Expr& x, const Where& = std::source_location::current());
Expr sqrt(const Expr& x, const Where& = std::source_location::current());
Expr tanh(const Expr& x, const Where& = std::source_location::current());
Expr sigmoid(const Expr& x, const Where& = std::source_location::current());
Expr erf(const Expr& x, const Where& = std::source_location::current());
Expr sin(const Expr& x, const Where& = std::source_location::current());
Expr cos(const Expr& x, const Where& = std::source_location::current());
Expr floor(const Expr& x, const Where& = std::source_location::current());
Expr ceil(const Expr& x, const Where& = std::source_location::current());
Expr round(const Expr& x, const Where& = std::source_location::current());  // half to even

// `a` where the condition holds, `b` elsewhere; the side not taken is not evaluated.
Expr where(const Expr& condition, const Expr& a, const Expr& b,
           const Where& = std::source_location::current());
// `x`, taken as a constant by gradients.
Expr stop_gradient(const Expr& x, const Where& = std::source_location::current());
// `x`, which gradients do not keep until they need it: they compute it again from what x reads.
Expr checkpoint(const Expr& x, const Where& = std::source_location::current());
Expr cast(DType type, const Expr& x, const Where& = std::source_location::current());
// The value of an index, i32: for masks and positions.
Expr index(const Dim& dim, const Where& = std::source_location::current());

Expr sum(const Dims& dims, const Expr& x, const Where& = std::source_location::current());
Expr prod(const Dims& dims, const Expr& x, const Where& = std::source_location::current());
Expr max(const Dims& dims, const Expr& x, const Where& = std::source_location::current());
Expr min(const Dims& dims, const Expr& x, const Where& = std::source_location::current());
Expr any(const Dims& dims, const Expr& x, const Where& = std::source_location::current());
Expr all(const Dims& dims, const Expr& x, const Where& = std::source_location::current());
Expr mean(const Dims& dims, const Expr& x, const Where& = std::source_location::current());
Expr sum(const Dim& dim, const Expr& x, const Where& = std::source_location::current());
Expr max(const Dim& dim, const Expr& x, const Where& = std::source_location::current());
Expr min(const Dim& dim, const Expr& x, const Where& = std::source_location::current());
Expr mean(const Dim& dim, const Expr& x, const Where& = std::source_location::current());
// At each index of `dims`, the sum over those up to it and with it.
Expr cumsum(const Dims& dims, const Expr& x, const Where& = std::source_location::current());
// The first position at which the extreme is reached, i32.
Expr argmax(const Dim& dim, const Expr& x, const Where& = std::source_location::current());
Expr argmin(const Dim& dim, const Expr& x, const Where& = std::source_location::current());

// Random values over `dims` and the dims of `seed`, an integer formula: a pure function of the seed
// and of the element's row-major position over `dims` in the order given, so that neither sharding
// nor the order of evaluation changes a number, and one seed an element gives independent draws.
// Uniform in [0, 1) with 24 bits (f64: 53); standard normal by Box and Muller's transform, within
// ±8.6. Gradients take them for constants. UserError for another type or another kind of seed.
//   where(uniform({batch, hidden}, step) < 0.1, 0, h / 0.9)        dropout
Expr uniform(const Dims& dims, const Expr& seed, DType type = DType::f32,
             const Where& = std::source_location::current());
Expr normal(const Dims& dims, const Expr& seed, DType type = DType::f32,
            const Where& = std::source_location::current());
// 53 random bits, an i64 from 0 to 2^53 - 1 (base/philox.h).
Expr random_bits(const Expr& seed, const Expr& counter,
                 const Where& = std::source_location::current());

// d loss / d wrt, with the dims of `wrt`. `loss` has no dims but, in the body of a loop, the one
// that is iterated: then it is the derivative within the iteration, all that is carried being held
// fixed.
Expr grad(const Tensor& loss, const Tensor& wrt, const Where& = std::source_location::current());
// For each index of `along` on its own: that of `loss` there by `wrt` there.
//   grad({example}, loss, w)      the gradients of all examples, over example and the dims of w
Expr grad(const Dims& along, const Tensor& loss, const Tensor& wrt,
          const Where& = std::source_location::current());

}  // namespace tessera
