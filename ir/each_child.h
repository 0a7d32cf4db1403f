#pragma once

#include "ir/expr.h"

namespace tessera {

// Calls `visit` with each direct child of `expr`, in the order of `children` (structure.h), without
// copying any: for walks over all nodes of large formulas.
template <typename Visit>
void each_child(const Expr& expr, const Visit& visit) {
  if (const Apply* apply = as<Apply>(expr)) {
    for (const Expr& arg : apply->args) visit(arg);
  } else if (const Read* read = as<Read>(expr)) {
    for (const Index& index : read->indices) visit(index.value);
  } else if (const Reduce* reduce = as<Reduce>(expr)) {
    visit(reduce->body);
  } else if (const Looped* looped = as<Looped>(expr)) {
    visit(looped->value);
  }
}

}  // namespace tessera
