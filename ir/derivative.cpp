#include <limits>
#include <numbers>

#include "base/error.h"
#include "ir/functions.h"
#include "ir/grad.h"

namespace tessera {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

// One case a function of the table in scalar.cpp.
std::optional<Expr> derivative(Fn fn, const std::vector<Expr>& args, const Expr& value, size_t k) {
  const Expr& x = args[0];
  const SourceLocation& at = value.where();
  switch (fn) {
    case Fn::neg:
      return Expr(-1);
    case Fn::abs:
      return where(x > 0, 1, where(x < 0, -1, make_cast(x.type(), 0), at), at);
    case Fn::exp:
      return value;
    case Fn::log:
      return 1 / x;
    case Fn::sqrt:
      return 0.5 / value;
    case Fn::tanh:
      return 1 - value * value;
    case Fn::sigmoid:
      return value * (1 - value);
    case Fn::erf:
      return 2 * std::numbers::inv_sqrtpi * exp(-(x * x), at);
    case Fn::sin:
      return cos(x, at);
    case Fn::cos:
      return -sin(x, at);
    case Fn::cast:
      return make_cast(x.type(), Expr(1));
    case Fn::checkpoint:
    case Fn::add:
      return Expr(1);
    case Fn::sub:
      return Expr(k == 0 ? 1 : -1);
    case Fn::mul:
      return args[1 - k];
    case Fn::div:
      if (k == 0) return 1 / args[1];
      return -(value / args[1]);
    case Fn::mod:
      if (k == 0) return Expr(1);
      return -floordiv(x, args[1], at);
    case Fn::pow: {
      const Expr zero = make_cast(x.type(), 0);
      if (k == 0) {
        // x ** 0 is 1 everywhere, also where x ** -1 is infinite.
        const Expr lower = pow(x, args[1] - 1, at);
        const Expr constant = equal(args[1], 0, at) && equal(abs(lower, at), kInfinity, at);
        return where(constant, zero, args[1] * lower, at);
      }
      return where(x > 0, value * log(where(x > 0, x, 1, at), at), zero, at);
    }
    case Fn::min:
    case Fn::max: {
      // Ties share equally, so that min(x, x) and max(x, x) have derivative 1.
      const Expr& other = args[1 - k];
      const Expr wins = fn == Fn::max ? args[k] > other : args[k] < other;
      return where(wins, 1, where(equal(args[k], other, at), 0.5, make_cast(x.type(), 0), at), at);
    }
    case Fn::floor:
    case Fn::ceil:
    case Fn::round:
    case Fn::floordiv:
    case Fn::stop_gradient:
    case Fn::logical_not:
    case Fn::eq:
    case Fn::ne:
    case Fn::lt:
    case Fn::le:
    case Fn::gt:
    case Fn::ge:
    case Fn::logical_and:
    case Fn::logical_or:
    case Fn::random_bits:
      return std::nullopt;
    case Fn::where:
      break;
  }
  TESSERA_CHECK(false) << "the adjoint of `where` is formed by its user";
  return std::nullopt;
}

}  // namespace tessera
