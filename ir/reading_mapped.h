#pragma once

#include <map>

#include "ir/expr.h"

namespace tessera {

// `formula` for the program that is made from its own: what it reads of loops stands by itself, and
// it reads those tensors that the left ones of `mapped` have become.
Expr reading_mapped(const Expr& formula, const std::map<Tensor, Tensor>& mapped);

}  // namespace tessera
