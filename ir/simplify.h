#pragma once

#include "ir/expr.h"

namespace tessera {

// An equal formula with constants folded and neutral operations removed: x + 0, x * 1, x / 1,
// -(-x), where with a constant condition or equal sides, a cast to the type already there.
// NaN, infinities and signed zeros are honoured: x * 0 and x - x stay.
Expr simplify(const Expr& expr);

}  // namespace tessera
