#pragma once

#include <functional>

#include "ir/expr.h"

namespace tessera {

// `formula` with the parts named that stand in several of its places which become formulas of their
// own: in two reductions, or in one and beside it. So it is as if the program had given them a
// name, and their gradients are added up before they are passed on.
//
//   exp(x - max[k](x)) / sum[k](exp(x - max[k](x)))   becomes   e / sum[k](e)   with  e = exp(…)
//
// Parts that differ only in the order of factors and terms are the same. A product over different
// dims is left as it is, since its factors may go different ways. `define` makes a definition of a
// part.
Expr name_shared_parts(const Expr& formula, const std::function<Tensor(const Expr& part)>& define);

}  // namespace tessera
