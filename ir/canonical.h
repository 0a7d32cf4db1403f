#pragma once

#include <map>
#include <unordered_map>

#include "ir/structure.h"

namespace tessera {

// Brings formulas that differ only in how they are written to one node: the order of factors, of
// the two sides of +, ==, != and of conditions, and the names of summed dims. Only for telling
// whether two are the same: which order it takes differs from run to run.
//
//   sum[k](a * b)  and  sum[j](b[k: j] * a[k: j])   are the same node
class CanonicalForms {
 public:
  Expr operator()(const Expr& formula);

 private:
  Expr sorted_node(const Expr& node);
  Expr sorted_product(const Expr& node);
  Expr with_own_dims(const Expr& value);
  // The one node like `node`, whose children were kept.
  Expr keep(const Expr& node);

  std::unordered_map<uint64_t, std::vector<Expr>> kept_;
  std::map<std::pair<int64_t, size_t>, Dim> dims_;  // of an extent, the first, second, …
};

}  // namespace tessera
