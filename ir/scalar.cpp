#include "ir/scalar.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/convert.h"
#include "base/error.h"
#include "base/philox.h"

namespace tessera {
namespace {

// Rows in the order of Fn.
const std::vector<FnInfo>& table() {
  static const std::vector<FnInfo> rows = {
      {Fn::neg, "neg", "-", 1, TypeRule::number, 1},
      {Fn::abs, "abs", "", 1, TypeRule::number, 1},
      {Fn::exp, "exp", "", 1, TypeRule::floating, 10},
      {Fn::log, "log", "", 1, TypeRule::floating, 12},
      {Fn::sqrt, "sqrt", "", 1, TypeRule::floating, 4},
      {Fn::tanh, "tanh", "", 1, TypeRule::floating, 14},
      {Fn::sigmoid, "sigmoid", "", 1, TypeRule::floating, 14},
      {Fn::erf, "erf", "", 1, TypeRule::floating, 16},
      {Fn::sin, "sin", "", 1, TypeRule::floating, 12},
      {Fn::cos, "cos", "", 1, TypeRule::floating, 12},
      {Fn::floor, "floor", "", 1, TypeRule::floating, 1},
      {Fn::ceil, "ceil", "", 1, TypeRule::floating, 1},
      {Fn::round, "round", "", 1, TypeRule::floating, 1},
      {Fn::logical_not, "not", "not", 1, TypeRule::logical, 1},
      {Fn::cast, "cast", "", 1, TypeRule::conversion, 0},
      {Fn::stop_gradient, "stop_gradient", "", 1, TypeRule::number, 0},
      {Fn::checkpoint, "checkpoint", "", 1, TypeRule::conversion, 0},
      {Fn::add, "add", "+", 2, TypeRule::number, 1},
      {Fn::sub, "sub", "-", 2, TypeRule::number, 1},
      {Fn::mul, "mul", "*", 2, TypeRule::number, 1},
      {Fn::div, "div", "/", 2, TypeRule::floating, 4},
      {Fn::floordiv, "floordiv", "//", 2, TypeRule::number, 4},
      {Fn::mod, "mod", "%", 2, TypeRule::number, 4},
      {Fn::pow, "pow", "**", 2, TypeRule::floating, 24},
      {Fn::min, "min", "", 2, TypeRule::number, 1},
      {Fn::max, "max", "", 2, TypeRule::number, 1},
      {Fn::eq, "eq", "==", 2, TypeRule::comparison, 1},
      {Fn::ne, "ne", "!=", 2, TypeRule::comparison, 1},
      {Fn::lt, "lt", "<", 2, TypeRule::comparison, 1},
      {Fn::le, "le", "<=", 2, TypeRule::comparison, 1},
      {Fn::gt, "gt", ">", 2, TypeRule::comparison, 1},
      {Fn::ge, "ge", ">=", 2, TypeRule::comparison, 1},
      {Fn::logical_and, "and", "and", 2, TypeRule::logical, 1},
      {Fn::logical_or, "or", "or", 2, TypeRule::logical, 1},
      {Fn::random_bits, "random_bits", "", 2, TypeRule::counter, 90},
      {Fn::where, "where", "", 3, TypeRule::select, 1},
  };
  return rows;
}

// a - b * trunc(a / b), exactly, moved into [0, b) or (b, 0]: C's fmod with the sign of the
// divisor.
double float_mod(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

// The whole number q for which a == q * b + a % b.
double float_floordiv(double a, double b) {
  const double rest = std::fmod(a, b);
  if (std::isnan(rest)) return std::floor(a / b);
  const double below = rest != 0 && (rest < 0) != (b < 0) ? 1 : 0;
  return std::nearbyint((a - rest) / b) - below;
}

double float_value(Fn fn, double a, double b) {
  switch (fn) {
    case Fn::neg:
      return -a;
    case Fn::abs:
      return std::fabs(a);
    case Fn::exp:
      return std::exp(a);
    case Fn::log:
      return std::log(a);
    case Fn::sqrt:
      return std::sqrt(a);
    case Fn::tanh:
      return std::tanh(a);
    case Fn::sigmoid:
      return 1 / (1 + std::exp(-a));
    case Fn::erf:
      return std::erf(a);
    case Fn::sin:
      return std::sin(a);
    case Fn::cos:
      return std::cos(a);
    case Fn::floor:
      return std::floor(a);
    case Fn::ceil:
      return std::ceil(a);
    case Fn::round:
      return std::nearbyint(a);
    case Fn::add:
      return a + b;
    case Fn::sub:
      return a - b;
    case Fn::mul:
      return a * b;
    case Fn::div:
      return a / b;
    case Fn::floordiv:
      return float_floordiv(a, b);
    case Fn::mod:
      return float_mod(a, b);
    case Fn::pow:
      return std::pow(a, b);
    case Fn::min:
      return std::isnan(a) || a < b ? a : b;
    case Fn::max:
      return std::isnan(a) || a > b ? a : b;
    default:
      break;
  }
  TESSERA_CHECK(false) << "no float value for " << info(fn).name;
  return 0;
}

int64_t int_value(Fn fn, int64_t a, int64_t b) {
  const auto wrap = [](uint64_t value) { return static_cast<int64_t>(value); };
  const auto ua = static_cast<uint64_t>(a);
  const auto ub = static_cast<uint64_t>(b);
  switch (fn) {
    case Fn::neg:
      return wrap(0 - ua);
    case Fn::abs:
      return a < 0 ? wrap(0 - ua) : a;
    case Fn::add:
      return wrap(ua + ub);
    case Fn::sub:
      return wrap(ua - ub);
    case Fn::mul:
      return wrap(ua * ub);
    case Fn::floordiv:
      if (b == 0) return 0;
      if (b == -1) return wrap(0 - ua);
      return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
    case Fn::mod: {
      if (b == 0 || b == -1) return 0;
      const int64_t rest = a % b;
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    case Fn::min:
      return a < b ? a : b;
    case Fn::max:
      return a > b ? a : b;
    default:
      break;
  }
  TESSERA_CHECK(false) << "no integer value for " << info(fn).name;
  return 0;
}

template <typename T>
bool compare(Fn fn, T a, T b) {
  switch (fn) {
    case Fn::eq:
      return a == b;
    case Fn::ne:
      return a != b;
    case Fn::lt:
      return a < b;
    case Fn::le:
      return a <= b;
    case Fn::gt:
      return a > b;
    case Fn::ge:
      return a >= b;
    default:
      break;
  }
  TESSERA_CHECK(false) << info(fn).name << " is no comparison";
  return false;
}

double rounded(DType type, double value) {
  switch (type) {
    case DType::f32:
      return static_cast<float>(value);
    case DType::bf16:
      return bf16_to_f32(f64_to_bf16(value));
    case DType::f16:
      return f16_to_f32(f64_to_f16(value));
    default:
      return value;
  }
}

}  // namespace

Scalar Scalar::of_float(DType type, double value) {
  Scalar scalar;
  scalar.type = type;
  scalar.f = rounded(type, value);
  return scalar;
}

Scalar Scalar::of_int(DType type, int64_t value) {
  Scalar scalar;
  scalar.type = type;
  scalar.i = type == DType::i32  ? static_cast<int32_t>(static_cast<uint32_t>(value))
             : type == DType::i8 ? static_cast<int8_t>(static_cast<uint8_t>(value))
             : type == DType::u8 ? static_cast<uint8_t>(value)
             : type == DType::b8 ? (value != 0 ? 1 : 0)
                                 : value;
  return scalar;
}

bool holds(DType type, double value) {
  if (type == DType::b8) return value == 0 || value == 1;
  if (is_float(type))
    return !std::isfinite(value) || std::isfinite(Scalar::of_number(type, value).f);
  // As doubles, the ends of i64 are -2^63, which it holds, and 2^63, which it does not.
  const bool inside = type == DType::i64 ? value >= -0x1p63 && value < 0x1p63
                                         : value >= static_cast<double>(least(type)) &&
                                               value <= static_cast<double>(greatest(type));
  return inside && value == std::trunc(value);
}

std::string range_of(DType type) {
  switch (type) {
    case DType::b8:
      return "true or false";
    case DType::f64:
      return fmt::format("numbers up to {:.5g}", std::numeric_limits<double>::max());
    case DType::f32:
      return fmt::format("numbers up to {:.5g}", std::numeric_limits<float>::max());
    case DType::bf16:
      return fmt::format("numbers up to {:.5g}", 0x1.fep127);
    case DType::f16:
      return "numbers up to 65504";
    default:
      return fmt::format("integers from {} to {}", least(type), greatest(type));
  }
}

Scalar Scalar::of_number(DType type, double value) {
  if (is_float(type)) return of_float(type, value);
  if (type == DType::b8) return of_bool(value != 0);
  if (std::isnan(value)) return of_int(type, 0);
  if (value <= static_cast<double>(least(type))) return of_int(type, least(type));
  if (value >= static_cast<double>(greatest(type))) return of_int(type, greatest(type));
  return of_int(type, static_cast<int64_t>(value));
}

Scalar settled(const Scalar& value) {
  return is_half(value.type) ? Scalar::of_float(value.type, value.f) : value;
}

int64_t least(DType type) {
  switch (type) {
    case DType::i32:
      return std::numeric_limits<int32_t>::min();
    case DType::i8:
      return std::numeric_limits<int8_t>::min();
    case DType::u8:
    case DType::b8:
      return 0;
    default:
      return std::numeric_limits<int64_t>::min();
  }
}

int64_t greatest(DType type) {
  switch (type) {
    case DType::i32:
      return std::numeric_limits<int32_t>::max();
    case DType::i8:
      return std::numeric_limits<int8_t>::max();
    case DType::u8:
      return std::numeric_limits<uint8_t>::max();
    case DType::b8:
      return 1;
    default:
      return std::numeric_limits<int64_t>::max();
  }
}

bool Scalar::operator==(const Scalar& other) const {
  if (type != other.type) return false;
  if (!is_float(type)) return i == other.i;
  if (std::isnan(f) || std::isnan(other.f)) return std::isnan(f) && std::isnan(other.f);
  return f == other.f && std::signbit(f) == std::signbit(other.f);
}

const FnInfo& info(Fn fn) {
  return table()[static_cast<size_t>(fn)];
}

const std::vector<FnInfo>& all_functions() {
  return table();
}

const FnInfo* find_function(std::string_view name) {
  for (const FnInfo& row : table())
    if (row.symbol[0] == '\0' && name == row.name) return &row;
  return nullptr;
}

Scalar evaluate(Fn fn, std::span<const Scalar> args, DType result) {
  const FnInfo& row = info(fn);
  if (fn == Fn::stop_gradient) return args[0];
  switch (row.rule) {
    case TypeRule::conversion:
      if (!is_float(args[0].type)) {
        if (is_float(result)) return Scalar::of_float(result, static_cast<double>(args[0].i));
        return Scalar::of_int(result, args[0].i);
      }
      return Scalar::of_number(result, settled(args[0]).f);
    case TypeRule::select:
      return args[0].i != 0 ? args[1] : args[2];
    case TypeRule::logical:
      if (fn == Fn::logical_not) return Scalar::of_bool(args[0].i == 0);
      return Scalar::of_bool(fn == Fn::logical_and ? args[0].i != 0 && args[1].i != 0
                                                   : args[0].i != 0 || args[1].i != 0);
    case TypeRule::comparison:
      return Scalar::of_bool(is_float(args[0].type)
                                 ? compare(fn, settled(args[0]).f, settled(args[1]).f)
                                 : compare(fn, args[0].i, args[1].i));
    case TypeRule::counter:
      return Scalar::of_int(result, random_bits(args[0].i, args[1].i));
    case TypeRule::number:
    case TypeRule::floating:
      break;
  }
  const bool binary = row.arity == 2;
  if (is_float(result)) {
    Scalar value = Scalar::of_float(is_half(result) ? DType::f32 : result,
                                    float_value(fn, args[0].f, binary ? args[1].f : 0));
    value.type = result;
    return value;
  }
  return Scalar::of_int(result, int_value(fn, args[0].i, binary ? args[1].i : 0));
}

Scalar identity(ReduceOp op, DType type) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  switch (op) {
    case ReduceOp::sum:
      return Scalar::of_number(type, 0);
    case ReduceOp::prod:
      return Scalar::of_number(type, 1);
    case ReduceOp::any:
      return Scalar::of_bool(false);
    case ReduceOp::all:
      return Scalar::of_bool(true);
    case ReduceOp::max:
      return is_float(type) ? Scalar::of_float(type, -kInfinity)
                            : Scalar::of_int(type, least(type));
    case ReduceOp::min:
      return is_float(type) ? Scalar::of_float(type, kInfinity)
                            : Scalar::of_int(type, greatest(type));
  }
  return {};
}

Fn function_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
      return Fn::add;
    case ReduceOp::prod:
      return Fn::mul;
    case ReduceOp::max:
      return Fn::max;
    case ReduceOp::min:
      return Fn::min;
    case ReduceOp::any:
      return Fn::logical_or;
    case ReduceOp::all:
      return Fn::logical_and;
  }
  return Fn::add;
}

Scalar combine(ReduceOp op, const Scalar& a, const Scalar& b) {
  const Scalar args[2] = {a, b};
  switch (op) {
    case ReduceOp::sum:
      return evaluate(Fn::add, args, a.type);
    case ReduceOp::prod:
      return evaluate(Fn::mul, args, a.type);
    case ReduceOp::max:
      return evaluate(Fn::max, args, a.type);
    case ReduceOp::min:
      return evaluate(Fn::min, args, a.type);
    case ReduceOp::any:
      return evaluate(Fn::logical_or, args, DType::b8);
    case ReduceOp::all:
      return evaluate(Fn::logical_and, args, DType::b8);
  }
  return {};
}

std::string describe(const Scalar& value) {
  if (value.type == DType::b8) return value.i != 0 ? "true" : "false";
  if (!is_float(value.type)) return std::to_string(value.i);
  if (std::isinf(value.f)) return value.f > 0 ? "inf" : "-inf";
  if (std::isnan(value.f)) return "nan";
  return value.type == DType::f64 ? fmt::format("{}", value.f)
                                  : fmt::format("{}", static_cast<float>(value.f));
}

}  // namespace tessera
