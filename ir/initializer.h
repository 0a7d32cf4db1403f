#pragma once

#include <string>

namespace tessera {

// How a parameter or state starts. Random values are a function of the seed, the tensor's name and
// the logical element (see random.h): any partition of the tensor holds the same numbers.
struct Initializer {
  enum class Kind { constant, normal, uniform, glorot, he };
  Kind kind = Kind::constant;
  double a = 0;  // constant: the value; normal: mean; uniform: low
  double b = 0;  // normal: standard deviation; uniform: high

  bool operator==(const Initializer&) const = default;
};

Initializer constant(double value);
Initializer zeros();
Initializer normal(double mean, double stddev);
Initializer uniform(double low, double high);
// Uniform within ±sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010). The fans are derived
// from use: fan_in is the volume of the dims that the program sums away where it reads the
// parameter, fan_out the volume of the others.
Initializer glorot();
// Normal with variance 2 / fan_in (He et al., 2015).
Initializer he();

// As in a program: "0.5", "normal(0, 0.05)", "glorot()".
std::string describe(const Initializer& initializer);

}  // namespace tessera
