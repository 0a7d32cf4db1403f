#pragma once

#include "ir/expr.h"

namespace tessera {

// The first index of `dim` at which `body` is its extreme, `best`; a NaN counts as one.
//
//   argmax[k](x)   is   min[k](where(x == m or x != x, k, last))   with  m = max[k](x)
Expr first_position(const Dim& dim, const Expr& body, const Expr& best,
                    const SourceLocation& where);

}  // namespace tessera
