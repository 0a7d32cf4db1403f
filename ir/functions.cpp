#include "ir/functions.h"

#include "base/error.h"
#include "ir/loop.h"
#include "ir/widen.h"

namespace tessera {
namespace {

// Operators cannot take the caller's location: their operands know theirs.
const SourceLocation& location(const Expr& a, const Expr& b) {
  return a.where().known() ? a.where() : b.where();
}

Expr binary(Fn fn, const Expr& a, const Expr& b) {
  return make_apply(fn, {a, b}, location(a, b));
}

}  // namespace

Expr operator+(const Expr& a, const Expr& b) {
  return binary(Fn::add, a, b);
}
Expr operator-(const Expr& a, const Expr& b) {
  return binary(Fn::sub, a, b);
}
Expr operator*(const Expr& a, const Expr& b) {
  return binary(Fn::mul, a, b);
}
Expr operator/(const Expr& a, const Expr& b) {
  return binary(Fn::div, a, b);
}
Expr operator%(const Expr& a, const Expr& b) {
  return binary(Fn::mod, a, b);
}
Expr operator<(const Expr& a, const Expr& b) {
  return binary(Fn::lt, a, b);
}
Expr operator<=(const Expr& a, const Expr& b) {
  return binary(Fn::le, a, b);
}
Expr operator>(const Expr& a, const Expr& b) {
  return binary(Fn::gt, a, b);
}
Expr operator>=(const Expr& a, const Expr& b) {
  return binary(Fn::ge, a, b);
}
Expr operator&&(const Expr& a, const Expr& b) {
  return binary(Fn::logical_and, a, b);
}
Expr operator||(const Expr& a, const Expr& b) {
  return binary(Fn::logical_or, a, b);
}
Expr operator-(const Expr& a) {
  return make_apply(Fn::neg, {a}, a.where());
}
Expr operator!(const Expr& a) {
  return make_apply(Fn::logical_not, {a}, a.where());
}

Expr equal(const Expr& a, const Expr& b, const Where& w) {
  return make_apply(Fn::eq, {a, b}, w);
}
Expr differs(const Expr& a, const Expr& b, const Where& w) {
  return make_apply(Fn::ne, {a, b}, w);
}
Expr floordiv(const Expr& a, const Expr& b, const Where& w) {
  return make_apply(Fn::floordiv, {a, b}, w);
}
Expr min(const Expr& a, const Expr& b, const Where& w) {
  return make_apply(Fn::min, {a, b}, w);
}
Expr max(const Expr& a, const Expr& b, const Where& w) {
  return make_apply(Fn::max, {a, b}, w);
}
Expr pow(const Expr& a, const Expr& b, const Where& w) {
  return make_apply(Fn::pow, {a, b}, w);
}
Expr abs(const Expr& x, const Where& w) {
  return make_apply(Fn::abs, {x}, w);
}
Expr exp(const Expr& x, const Where& w) {
  return make_apply(Fn::exp, {x}, w);
}
Expr log(const Expr& x, const Where& w) {
  return make_apply(Fn::log, {x}, w);
}
Expr sqrt(const Expr& x, const Where& w) {
  return make_apply(Fn::sqrt, {x}, w);
}
Expr tanh(const Expr& x, const Where& w) {
  return make_apply(Fn::tanh, {x}, w);
}
Expr sigmoid(const Expr& x, const Where& w) {
  return make_apply(Fn::sigmoid, {x}, w);
}
Expr erf(const Expr& x, const Where& w) {
  return make_apply(Fn::erf, {x}, w);
}
Expr sin(const Expr& x, const Where& w) {
  return make_apply(Fn::sin, {x}, w);
}
Expr cos(const Expr& x, const Where& w) {
  return make_apply(Fn::cos, {x}, w);
}
Expr floor(const Expr& x, const Where& w) {
  return make_apply(Fn::floor, {x}, w);
}
Expr ceil(const Expr& x, const Where& w) {
  return make_apply(Fn::ceil, {x}, w);
}
Expr round(const Expr& x, const Where& w) {
  return make_apply(Fn::round, {x}, w);
}

Expr where(const Expr& condition, const Expr& a, const Expr& b, const Where& w) {
  return make_apply(Fn::where, {condition, a, b}, w);
}
Expr stop_gradient(const Expr& x, const Where& w) {
  return make_apply(Fn::stop_gradient, {x}, w);
}
Expr checkpoint(const Expr& x, const Where& w) {
  return make_checkpoint(x, w);
}
Expr cast(DType type, const Expr& x, const Where& w) {
  return make_cast(type, x, w);
}
Expr index(const Dim& dim, const Where& w) {
  return make_index(dim, w);
}

Expr sum(const Dims& dims, const Expr& x, const Where& w) {
  return make_reduce(Reduction::sum, dims, x, w);
}
Expr prod(const Dims& dims, const Expr& x, const Where& w) {
  return make_reduce(Reduction::prod, dims, x, w);
}
Expr max(const Dims& dims, const Expr& x, const Where& w) {
  return make_reduce(Reduction::max, dims, x, w);
}
Expr min(const Dims& dims, const Expr& x, const Where& w) {
  return make_reduce(Reduction::min, dims, x, w);
}
Expr any(const Dims& dims, const Expr& x, const Where& w) {
  return make_reduce(Reduction::any, dims, x, w);
}
Expr all(const Dims& dims, const Expr& x, const Where& w) {
  return make_reduce(Reduction::all, dims, x, w);
}
Expr mean(const Dims& dims, const Expr& x, const Where& w) {
  // The total of small floats might leave their range where the mean does not.
  const Expr total = make_reduce(Reduction::sum, dims, widened(x), w);
  if (!is_float(x.type()))
    throw UserError(w, std::string("`mean` takes a float (f32, f64, bf16 or f16), not ") +
                           name_of(x.type()) + "; convert it, as in f32(x)");
  // A quotient: the mean of equal numbers is that number.
  const Expr count = make_literal(static_cast<double>(volume(dims)), false, w);
  return make_cast(x.type(), make_apply(Fn::div, {total, count}, w), w);
}
Expr sum(const Dim& dim, const Expr& x, const Where& w) {
  return sum(Dims{dim}, x, w);
}
Expr max(const Dim& dim, const Expr& x, const Where& w) {
  return max(Dims{dim}, x, w);
}
Expr min(const Dim& dim, const Expr& x, const Where& w) {
  return min(Dims{dim}, x, w);
}
Expr mean(const Dim& dim, const Expr& x, const Where& w) {
  return mean(Dims{dim}, x, w);
}
Expr cumsum(const Dims& dims, const Expr& x, const Where& where) {
  Expr total = x;
  for (const Dim& dim : dims) {
    const Dim earlier(dim.name(), dim.extent(), where);
    const Expr term = total.at(dim, make_index(earlier, where), std::nullopt, where);
    const Expr zero = make_constant(Scalar::of_number(x.type(), 0), where);
    total =
        sum(Dims{earlier},
            tessera::where(make_index(earlier, where) <= make_index(dim, where), term, zero, where),
            where);
  }
  return total;
}
Expr argmax(const Dim& dim, const Expr& x, const Where& w) {
  return make_reduce(Reduction::argmax, {dim}, x, w);
}
Expr argmin(const Dim& dim, const Expr& x, const Where& w) {
  return make_reduce(Reduction::argmin, {dim}, x, w);
}
Expr random_bits(const Expr& seed, const Expr& counter, const Where& w) {
  return make_apply(Fn::random_bits, {seed, counter}, w);
}
Expr grad(const Tensor& loss, const Tensor& wrt, const Where& w) {
  return make_gradient(loss, wrt, loss.dims().empty() ? Dims{} : iterated_around(loss), w);
}
Expr grad(const Dims& along, const Tensor& loss, const Tensor& wrt, const Where& w) {
  return make_gradient(loss, wrt, along, w);
}

}  // namespace tessera
