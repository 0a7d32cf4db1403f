#include "ir/nest.h"

#include <unordered_set>

#include "base/error.h"
#include "ir/print.h"
#include "ir/sequence.h"
#include "ir/structure.h"

namespace tessera {
namespace {

bool is_scalar_formula(const Expr& expr) {
  return !any_node(expr, [](const Expr& node) {
    return as<Reduce>(node) != nullptr || as<Gradient>(node) != nullptr ||
           as<Looped>(node) != nullptr;
  });
}

bool is_nest(const Expr& value) {
  const Reduce* reduce = as<Reduce>(value);
  if (reduce == nullptr) return is_scalar_formula(value);
  return reduce->op != Reduction::argmax && reduce->op != Reduction::argmin &&
         is_scalar_formula(reduce->body);
}

}  // namespace

Dims Nest::loops() const {
  Dims all = out.dims();
  all.insert(all.end(), reduced.begin(), reduced.end());
  return all;
}

Nest nest_of(const Tensor& definition) {
  TESSERA_CHECK(definition.role() == Role::definition && is_nest(definition.value()))
      << "`" << definition.name() << "` is not in normal form";
  const Reduce* reduce = as<Reduce>(definition.value());
  if (reduce == nullptr) return {definition, std::nullopt, {}, definition.value()};
  return {definition, reduce_op(reduce->op), reduce->dims, reduce->body};
}

std::vector<Nest> nests_of(const Program& program) {
  std::vector<Nest> nests;
  for (const Tensor& tensor : tensors_of(sequence_of(program)))
    if (tensor.role() == Role::definition) nests.push_back(nest_of(tensor));
  return nests;
}

bool is_normal(const Program& program) {
  for (const Tensor& tensor : program.tensors()) {
    if (tensor.role() == Role::definition && !is_nest(tensor.value())) return false;
    if (tensor.role() == Role::carried && !is_scalar_formula(tensor.value())) return false;
  }
  return true;
}

std::vector<Expr> reads_of(const Nest& nest) {
  std::vector<Expr> reads;
  for (const Expr& node : subexpressions(nest.body))
    if (as<Read>(node) != nullptr) reads.push_back(node);
  return reads;
}

namespace {

std::unordered_set<const ExprNode*> nodes_of_indices(const Nest& nest) {
  std::unordered_set<const ExprNode*> found;
  std::vector<Expr> open = reads_of(nest);
  while (!open.empty()) {
    const Expr node = open.back();
    open.pop_back();
    for (const Expr& child : children(node))
      if (found.insert(&child.node()).second) open.push_back(child);
  }
  return found;
}

}  // namespace

double flops_of(const Nest& nest) {
  const std::unordered_set<const ExprNode*> index_arithmetic = nodes_of_indices(nest);
  double per_point = nest.op ? 1 : 0;
  for (const Expr& node : subexpressions(nest.body)) {
    const Apply* apply = as<Apply>(node);
    if (apply != nullptr && index_arithmetic.count(&node.node()) == 0)
      per_point += info(apply->fn).flops;
  }
  double points = 1;
  for (const Dim& dim : nest.loops()) points *= static_cast<double>(dim.extent());
  return per_point * points;
}

double bytes_of(const Nest& nest) {
  const auto bytes = [](const Tensor& tensor) {
    double count = static_cast<double>(size_of(tensor.type()));
    for (const Dim& dim : tensor.dims()) count *= static_cast<double>(dim.extent());
    return count;
  };
  double total = bytes(nest.out);
  for (const Tensor& tensor : tensors_read(nest.body)) total += bytes(tensor);
  return total;
}

std::string describe(const Nest& nest) {
  std::string formula = print(nest.body);
  if (nest.op)
    formula =
        std::string(name_of(*nest.op)) + "[" + join(names(nest.reduced)) + "](" + formula + ")";
  return nest.out.name() + "[" + join(names(nest.out.dims())) + "] = " + formula;
}

}  // namespace tessera
