#pragma once

#include <string>

#include "base/dtype.h"
#include "base/source_location.h"

namespace tessera {

// How a parameter or state starts. Random values are a function of the seed, the tensor's name and
// the logical element (see random.h): any partition of the tensor holds the same numbers.
struct Initializer {
  enum class Kind { constant, normal, uniform, glorot, he };
  Kind kind = Kind::constant;
  double a = 0;  // constant: the value; normal: mean; uniform: low; glorot, he: fan_in or 0
  double b = 0;  // normal: standard deviation; uniform: high; glorot: fan_out or 0

  bool operator==(const Initializer&) const = default;
};

Initializer constant(double value);
Initializer zeros();
Initializer normal(double mean, double stddev);
Initializer uniform(double low, double high);
// Uniform within ±sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010). Without fans, they are
// derived from how the program uses the parameter (fans.h).
Initializer glorot();
Initializer glorot(double fan_in, double fan_out);
// Normal with variance 2 / fan_in (He et al., 2015).
Initializer he();
Initializer he(double fan_in);
// Is it glorot() or he()?
bool derives_fans(const Initializer& initializer);

// Throws UserError where a tensor of `type`, called `name`, cannot start like this: where it would
// hold another number than is written, or none is drawn.
void check_initializer(const Initializer& initializer, DType type, const std::string& name,
                       const SourceLocation& where);

// As in a program: "0.5", "normal(0, 0.05)", "glorot()", "he(784)".
std::string describe(const Initializer& initializer);

}  // namespace tessera
