#include "ir/with_constants.h"

#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

bool stays_inside(const Read& read) {
  for (size_t d = 0; d < read.indices.size(); ++d) {
    const std::optional<IndexRange> range = index_range(read.indices[d].value);
    if (!range || range->low < 0 || range->high >= read.tensor.dims()[d].extent()) return false;
  }
  return true;
}

Expr replaced(const Expr& formula) {
  return transform(formula, [](const Expr& node) -> Expr {
    const Read* read = as<Read>(node);
    if (read == nullptr || read->tensor.role() != Role::definition) return node;
    const Constant* constant = as<Constant>(read->tensor.value());
    if (constant == nullptr || !stays_inside(*read)) return node;
    return make_constant(constant->value, node.where());
  });
}

}  // namespace

Expr with_constants(const Expr& formula) {
  const Reduce* reduce = as<Reduce>(formula);
  const Expr& body = reduce != nullptr ? reduce->body : formula;
  for (const Expr& node : subexpressions(body))
    if (as<Reduce>(node) != nullptr) return formula;
  const Expr result = replaced(body);
  if (result.is(body)) return formula;
  if (reduce == nullptr) return result;
  // A reduction goes over dims that its argument has.
  if (!subtract(reduce->dims, result.dims()).empty()) return formula;
  return make_reduce(reduce->op, reduce->dims, result, formula.where());
}

}  // namespace tessera
