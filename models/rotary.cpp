#include "models/rotary.h"

#include <cmath>

#include "base/error.h"

namespace tessera {

Expr rotary(const Dim& pair, const Dim& part, const Expr& position, const Expr& x, double base) {
  if (part.extent() != 2)
    throw UserError(part.where(), "rotary positions turn pairs: dim `" + part.name() +
                                      "` has extent " + std::to_string(part.extent()) +
                                      ", it must have 2");
  const double rate = -std::log(base) / static_cast<double>(pair.extent());
  const Tensor angle = cast(x.type(), position) * exp(rate * cast(x.type(), index(pair)));
  const Expr sign = cast(x.type(), 2 * index(part) - 1);
  return x * cos(angle) + sign * x.at(part, 1 - index(part)) * sin(angle);
}

}  // namespace tessera
