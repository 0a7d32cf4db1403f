#include "ir/apart.h"

#include "ir/structure.h"

namespace tessera {

Expr apart(const Expr& value, const Dims& order) {
  const Reduce* reduce = as<Reduce>(value);
  if (reduce == nullptr || intersect(reduce->dims, order).empty()) return value;
  std::map<Dim, Expr> renamed;
  Dims bound;
  for (const Dim& dim : reduce->dims) {
    bound.push_back(contains(order, dim) ? Dim(dim.name() + "_", dim.extent(), dim.where()) : dim);
    if (!(bound.back() == dim)) renamed.emplace(dim, make_index(bound.back(), value.where()));
  }
  return make_reduce(reduce->op, bound, substitute(reduce->body, renamed), value.where());
}

}  // namespace tessera
