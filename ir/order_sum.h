#pragma once

#include <functional>

#include "ir/expr.h"
#include "ir/sum_prices.h"

namespace tessera {

// What rewriting a sum may ask of the program that the sum stands in.
struct SumSurroundings {
  Dims iterated;  // dims along which the formula is computed one by one (carried_dims.h)
  SumPrices prices;
  double gain() const { return iterated.empty() ? prices.gain : prices.gain_in_loops; }
  std::function<Tensor(const Expr&)> define;  // a definition of this value, or one that is there
  std::function<bool(const Expr&)> known;     // is one there? May be empty
};

// `value`, or the same by a sequence of smaller sums when `value` is a sum of a product and that is
// clearly cheaper (contraction_order.h): factors are multiplied in another order and leave sums
// that do not need them, and one that is dear and runs over fewer loops is computed once.
//
//   sum[i, j](x[n,i] * w[i,j] * y[n,j])   becomes   sum[j](t * y)   with  t = sum[i](x * w)
//   sum[f](gelu(h[b,f]) * w[f,d])         becomes   sum[f](t * w)   with  t = gelu(h)
//   sum[d](where(c[b], x * w, 0))         becomes   where(c, t, 0)  with  t = sum[d](x * w)
//
// A guard stays around what it guards, and only where it depends on no summed dim does it leave the
// sum. Nothing is multiplied out.
Expr order_sum(const Expr& value, const SumSurroundings& surroundings);

// What `value` costs as one nest, and when order_sum may take it apart; in the unit of the prices.
double nest_price(const Expr& value, const SumSurroundings& surroundings);
double ordered_price(const Expr& value, const SumSurroundings& surroundings);

}  // namespace tessera
