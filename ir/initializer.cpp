#include "ir/initializer.h"

#include <fmt/format.h>

namespace tessera {

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
  return {Initializer::Kind::glorot, 0, 0};
}

Initializer he() {
  return {Initializer::Kind::he, 0, 0};
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
      return "glorot()";
    case Initializer::Kind::he:
      return "he()";
  }
  return "";
}

}  // namespace tessera
