#include "ir/initializer.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "ir/scalar.h"

namespace tessera {
namespace {

void check_draw(const Initializer& draw, DType type, const std::string& starts,
                const SourceLocation& where) {
  using Kind = Initializer::Kind;
  const bool by_fans = draw.kind == Kind::glorot || draw.kind == Kind::he;
  if (type == DType::b8 || (by_fans && !is_float(type)))
    throw UserError(where, starts + ", and it is " + name_of(type) +
                               (type == DType::b8 ? "; it starts as true or false"
                                                  : "; those are for floats, write normal(…), "
                                                    "uniform(…) or a number"));
  if (by_fans) return;
  if (!std::isfinite(draw.a) || !std::isfinite(draw.b))
    throw UserError(where, starts + "; both values must be finite");
  if (draw.kind == Kind::normal && draw.b < 0)
    throw UserError(where, starts + "; a standard deviation is 0 or more");
  if (draw.kind == Kind::uniform && draw.a > draw.b)
    throw UserError(where, starts + "; the lower end comes first, as in uniform(" +
                               fmt::format("{}, {})", draw.b, draw.a));
  for (const double value : {draw.a, draw.b})
    if (is_float(type) ? !holds(type, value) : !holds(type, std::trunc(value)))
      throw UserError(where, starts + ", and " + name_of(type) + " holds " + range_of(type));
}

}  // namespace

Initializer constant(double value) {
  return {Initializer::Kind::constant, value, 0};
}

Initializer zeros() {
  return constant(0);
}

Initializer normal(double mean, double stddev) {
  return {Initializer::Kind::normal, mean, stddev};
}

Initializer uniform(double low, double high) {
  return {Initializer::Kind::uniform, low, high};
}

Initializer glorot() {
  return glorot(0, 0);
}

Initializer glorot(double fan_in, double fan_out) {
  return {Initializer::Kind::glorot, fan_in, fan_out};
}

Initializer he() {
  return he(0);
}

Initializer he(double fan_in) {
  return {Initializer::Kind::he, fan_in, 0};
}

bool derives_fans(const Initializer& initializer) {
  return (initializer.kind == Initializer::Kind::glorot ||
          initializer.kind == Initializer::Kind::he) &&
         initializer.a == 0;
}

void check_initializer(const Initializer& initializer, DType type, const std::string& name,
                       const SourceLocation& where) {
  const std::string starts = "`" + name + "` starts at " + describe(initializer);
  if (initializer.kind != Initializer::Kind::constant)
    return check_draw(initializer, type, starts, where);
  if (!holds(type, initializer.a))
    throw UserError(
        where, starts + ", which " + name_of(type) + " does not hold; it holds " + range_of(type));
}

std::string describe(const Initializer& initializer) {
  switch (initializer.kind) {
    case Initializer::Kind::constant:
      return fmt::format("{}", initializer.a);
    case Initializer::Kind::normal:
      return fmt::format("normal({}, {})", initializer.a, initializer.b);
    case Initializer::Kind::uniform:
      return fmt::format("uniform({}, {})", initializer.a, initializer.b);
    case Initializer::Kind::glorot:
      if (derives_fans(initializer)) return "glorot()";
      return fmt::format("glorot({}, {})", initializer.a, initializer.b);
    case Initializer::Kind::he:
      return derives_fans(initializer) ? "he()" : fmt::format("he({})", initializer.a);
  }
  return "";
}

}  // namespace tessera
