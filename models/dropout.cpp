#include "models/dropout.h"

#include <fmt/format.h>

#include "base/error.h"

namespace tessera {

Expr dropout(const Expr& x, const Dims& dims, double rate, const Expr& seed, const Where& w) {
  if (!(rate >= 0 && rate < 1))
    throw UserError(w,
                    fmt::format("dropout with a rate of {}; allowed is 0 up to but not 1", rate));
  const Expr draw = uniform(dims, seed, DType::f32, w);
  return where(draw >= rate, x * (1 / (1 - rate)), make_cast(x.type(), Expr(0), w), w);
}

}  // namespace tessera
