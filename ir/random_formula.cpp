#include <numbers>

#include "base/error.h"
#include "ir/functions.h"

namespace tessera {
namespace {

Expr whole(int64_t value, const Where& w) {
  return make_constant(Scalar::of_int(DType::i64, value), w);
}

Expr real(DType type, double value, const Where& w) {
  return make_constant(Scalar::of_float(type, value), w);
}

// Row-major position over `dims`, i64.
Expr position_over(const Dims& dims, const Where& w) {
  std::optional<Expr> position;
  for (const Dim& dim : dims) {
    const Expr index = make_cast(DType::i64, make_index(dim, w), w);
    if (!position) {
      position = index;
      continue;
    }
    const Expr rows = make_apply(Fn::mul, {*position, whole(dim.extent(), w)}, w);
    position = make_apply(Fn::add, {rows, index}, w);
  }
  return position ? *position : whole(0, w);
}

void check(const char* name, const Dims& dims, const Expr& seed, DType type, const Where& w) {
  for (size_t i = 0; i < dims.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (dims[i] == dims[j])
        throw UserError(w,
                        std::string("`") + name + "` names the dim `" + dims[i].name() + "` twice");
  if (!is_integer(seed.type()))
    throw UserError(w, std::string("`") + name + "` takes an integer seed, not " +
                           name_of(seed.type()) + "; count steps in a state of type i64, or " +
                           "write a number");
  if (type != DType::f32 && type != DType::f64)
    throw UserError(w, std::string("`") + name + "` draws f32 or f64, not " + name_of(type) +
                           "; convert what it draws");
}

// The draw as a number in [0, 1): multiples of 2^-24, or 2^-53 for f64.
Expr fraction(const Expr& bits, DType type, const Where& w) {
  if (type == DType::f64)
    return make_apply(Fn::mul, {make_cast(type, bits, w), real(type, 0x1p-53, w)}, w);
  const Expr top = make_apply(Fn::floordiv, {bits, whole(int64_t{1} << 29, w)}, w);
  return make_apply(Fn::mul, {make_cast(type, top, w), real(type, 0x1p-24, w)}, w);
}

}  // namespace

Expr uniform(const Dims& dims, const Expr& seed, DType type, const Where& w) {
  check("uniform", dims, seed, type, w);
  return fraction(random_bits(seed, position_over(dims, w), w), type, w);
}

// sqrt(-2 log u) cos(2 pi v) of two draws (Box and Muller, 1958); u lies in (0, 1] and keeps all
// 53 bits where it is small, so that the tail reaches sqrt(2 * 53 log 2) = 8.57 in f32, too.
Expr normal(const Dims& dims, const Expr& seed, DType type, const Where& w) {
  check("normal", dims, seed, type, w);
  const Expr first = make_apply(Fn::mul, {position_over(dims, w), whole(2, w)}, w);
  const Expr second = make_apply(Fn::add, {first, whole(1, w)}, w);
  const Expr count = make_apply(Fn::add, {random_bits(seed, first, w), whole(1, w)}, w);
  const Expr u = make_apply(Fn::mul, {make_cast(type, count, w), real(type, 0x1p-53, w)}, w);
  const Expr v = fraction(random_bits(seed, second, w), type, w);
  const Expr radius = sqrt(make_apply(Fn::mul, {real(type, -2, w), log(u, w)}, w), w);
  const Expr angle = make_apply(Fn::mul, {real(type, 2 * std::numbers::pi, w), v}, w);
  return make_apply(Fn::mul, {radius, cos(angle, w)}, w);
}

}  // namespace tessera
