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
// The first position at which the extreme is reached, i32.
Expr argmax(const Dim& dim, const Expr& x, const Where& = std::source_location::current());
Expr argmin(const Dim& dim, const Expr& x, const Where& = std::source_location::current());

// d loss / d wrt, with the dims of `wrt`. `loss` has no dims.
Expr grad(const Tensor& loss, const Tensor& wrt, const Where& = std::source_location::current());

}  // namespace tessera
