#include "ir/product.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "ir/structure.h"

namespace tessera {
namespace {

constexpr size_t kMostFactors = 24;  // of one formula; a longer product is one factor

bool takes_own_type(const Expr& formula, const Apply& apply) {
  return std::all_of(apply.args.begin(), apply.args.end(),
                     [&](const Expr& arg) { return arg.type() == formula.type(); });
}

bool same_factor(const Factor& a, const Factor& b) {
  return a.divides == b.divides && (a.value.is(b.value) || equivalent(a.value, b.value));
}

// Moves the factors that both lists have out of them.
std::vector<Factor> take_common(std::vector<Factor>& a, std::vector<Factor>& b) {
  std::vector<Factor> common, rest;
  for (const Factor& factor : a) {
    const auto it =
        std::find_if(b.begin(), b.end(), [&](const Factor& f) { return same_factor(f, factor); });
    (it == b.end() ? rest : common).push_back(factor);
    if (it != b.end()) b.erase(it);
  }
  a = rest;
  return common;
}

}  // namespace

const std::vector<Factor>& Products::factors_of(const Expr& formula) {
  if (const auto it = known_.find(&formula.node()); it != known_.end()) return it->second;
  std::vector<Factor> factors = find(formula);
  if (factors.size() > kMostFactors) factors = {{formula}};
  alive_.push_back(formula);
  return known_.emplace(&formula.node(), std::move(factors)).first->second;
}

std::vector<Factor> Products::find(const Expr& formula) {
  const Apply* apply = as<Apply>(formula);
  if (apply == nullptr || !takes_own_type(formula, *apply)) return {{formula}};
  switch (apply->fn) {
    case Fn::mul: {
      std::vector<Factor> factors = factors_of(apply->args[0]);
      const std::vector<Factor>& more = factors_of(apply->args[1]);
      factors.insert(factors.end(), more.begin(), more.end());
      return factors;
    }
    case Fn::div: {
      std::vector<Factor> factors = factors_of(apply->args[0]);
      factors.push_back({apply->args[1], true});
      return factors;
    }
    case Fn::neg: {
      std::vector<Factor> factors = factors_of(apply->args[0]);
      factors.push_back({make_constant(Scalar::of_number(formula.type(), -1), formula.where())});
      return factors;
    }
    case Fn::stop_gradient: {
      std::vector<Factor> factors = factors_of(apply->args[0]);
      for (Factor& factor : factors)
        if (as<Constant>(factor.value) == nullptr)
          factor.value = make_apply(Fn::stop_gradient, {factor.value}, formula.where());
      return factors;
    }
    case Fn::add:
    case Fn::sub:
      return of_sum(formula);
    default:
      return {{formula}};
  }
}

std::vector<Factor> Products::of_sum(const Expr& formula) {
  const Apply& apply = *as<Apply>(formula);
  std::vector<Factor> left = factors_of(apply.args[0]);
  std::vector<Factor> right = factors_of(apply.args[1]);
  std::vector<Factor> common = take_common(left, right);
  const bool pays = std::any_of(common.begin(), common.end(),
                                [](const Factor& factor) { return !factor.value.dims().empty(); });
  if (!pays) return {{formula}};
  common.push_back({make_apply(apply.fn,
                               {product_of(left, formula.type(), formula.where()),
                                product_of(right, formula.type(), formula.where())},
                               formula.where())});
  return common;
}

Expr product_of(const std::vector<Factor>& factors, DType type, const SourceLocation& where) {
  std::optional<Expr> product;
  for (const Factor& factor : factors)
    if (!factor.divides)
      product = product ? make_apply(Fn::mul, {*product, factor.value}, where) : factor.value;
  if (!product) product = make_constant(Scalar::of_number(type, 1), where);
  for (const Factor& factor : factors)
    if (factor.divides) product = make_apply(Fn::div, {*product, factor.value}, where);
  return *product;
}

void put_in_order(std::vector<Factor>& factors) {
  struct Keyed {
    double points;
    std::vector<Tensor> reads;
    Factor factor;
  };
  std::vector<Keyed> keyed;
  for (const Factor& factor : factors) {
    std::vector<Tensor> reads = tensors_read(factor.value);
    std::sort(reads.begin(), reads.end());
    keyed.push_back({points_of(factor.value.dims()), std::move(reads), factor});
  }
  std::stable_sort(keyed.begin(), keyed.end(), [](const Keyed& a, const Keyed& b) {
    return std::tie(a.points, a.reads) < std::tie(b.points, b.reads);
  });
  factors.clear();
  for (const Keyed& each : keyed) factors.push_back(each.factor);
}

Work work_of(const Expr& formula) {
  const std::vector<Expr> nodes = subexpressions(formula);
  std::unordered_set<const ExprNode*> in_indices;
  for (const Expr& node : nodes)
    if (const Read* read = as<Read>(node))
      for (const Index& index : read->indices)
        for (const Expr& part : subexpressions(index.value)) in_indices.insert(&part.node());
  Work work;
  for (const Expr& node : nodes) {
    if (in_indices.count(&node.node()) != 0) continue;
    if (const Apply* apply = as<Apply>(node)) work.flops += info(apply->fn).flops;
    if (as<Read>(node) != nullptr) work.reads += 1;
  }
  return work;
}

double points_of(const Dims& dims) {
  double points = 1;
  for (const Dim& dim : dims) points *= static_cast<double>(dim.extent());
  return points;
}

}  // namespace tessera
