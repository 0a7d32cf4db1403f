#pragma once

#include <unordered_map>
#include <vector>

#include "ir/expr.h"

namespace tessera {

// One of the formulas that a product multiplies, or divides by.
struct Factor {
  Expr value;
  bool divides = false;
};

// Formulas as products. The value is the product of the factors, but for rounding and for operands
// that are infinite or NaN; a sum is a product where its terms have a factor in common. Quotients
// stay whole where they divide, and products where they are converted.
//
//   -a * (b / c)     a, b, 1/c, -1
//   a * p - a * q    a, p - q
//   (a - b) ** 2     itself: nothing is multiplied out
class Products {
 public:
  // The factors of `formula`, all of its type. `formula` lives as long as this.
  const std::vector<Factor>& factors_of(const Expr& formula);

 private:
  std::vector<Factor> find(const Expr& formula);
  std::vector<Factor> of_sum(const Expr& formula);

  std::unordered_map<const ExprNode*, std::vector<Factor>> known_;
  std::vector<Expr> alive_;
};

// The product of the factors in the order given, divisions last; 1 when there are none.
Expr product_of(const std::vector<Factor>& factors, DType type, const SourceLocation& where);

// Puts factors in an order that does not depend on how they were written, as far as what they read
// tells: what runs over fewer points comes first, and is then multiplied once for all the others.
void put_in_order(std::vector<Factor>& factors);

// What one evaluation costs: operations as FnInfo counts them, and tensors' elements that are
// read; what indices are computed with is free.
struct Work {
  double flops = 0;
  double reads = 0;
};
Work work_of(const Expr& formula);

// Points of the box that the dims span, however many.
double points_of(const Dims& dims);

}  // namespace tessera
