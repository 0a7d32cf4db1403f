#pragma once

#include <unordered_map>

#include "ir/expr.h"

namespace tessera {

// An equal formula with constants folded and neutral operations removed: x + 0, x * 1, x / 1,
// -(-x), where with a constant condition or equal sides, a cast to the type already there. Powers
// of 2, 3, 4 and -1 become multiplications and a division.
// NaN, infinities and signed zeros are honoured: x * 0 and x - x stay.
Expr simplify(const Expr& expr);

// The same for formulas that grow from one another: what it has simplified it does not look at
// again.
class Simplifier {
 public:
  Expr operator()(const Expr& expr);

 private:
  struct Done {
    Expr from;  // keeps its node alive
    Expr to;
  };
  std::unordered_map<const ExprNode*, Done> done_;
};

}  // namespace tessera
