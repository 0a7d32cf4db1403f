#include "ir/canonical.h"

#include <algorithm>
#include <functional>

#include "base/hash.h"

namespace tessera {
namespace {

// Equal formulas are one node, so the places of nodes give an order.
bool before(const Expr& a, const Expr& b) {
  return std::less<>()(&a.node(), &b.node());
}

// Equal for equivalent nodes whose children are kept.
uint64_t hash_of(const Expr& node) {
  const Apply* apply = as<Apply>(node);
  const Reduce* reduce = as<Reduce>(node);
  if (apply == nullptr && reduce == nullptr) return structure_hash(node);
  std::vector<uint64_t> parts = {static_cast<uint64_t>(node.type())};
  parts.push_back(apply != nullptr ? static_cast<uint64_t>(apply->fn)
                                   : 1000 + static_cast<uint64_t>(reduce->op));
  for (const Expr& child : children(node))
    parts.push_back(reinterpret_cast<uint64_t>(&child.node()));
  return hash_bytes({reinterpret_cast<const char*>(parts.data()), 8 * parts.size()});
}

}  // namespace

Expr CanonicalForms::keep(const Expr& node) {
  std::vector<Expr>& alike = kept_[hash_of(node)];
  for (const Expr& other : alike)
    if (equivalent(other, node)) return other;
  alike.push_back(node);
  return node;
}

Expr CanonicalForms::operator()(const Expr& formula) {
  return transform(with_own_dims(formula),
                   [this](const Expr& node) { return sorted_node(keep(node)); });
}

Expr CanonicalForms::sorted_node(const Expr& node) {
  const Apply* apply = as<Apply>(node);
  if (apply == nullptr) return node;
  if (apply->fn == Fn::mul) return sorted_product(node);
  if (!commutes(apply->fn) || before(apply->args[0], apply->args[1])) return node;
  return keep(make_apply(apply->fn, {apply->args[1], apply->args[0]}, node.where()));
}

Expr CanonicalForms::sorted_product(const Expr& node) {
  std::vector<Expr> factors = factors_of_product(node);
  if (factors.size() > kMostProductFactors) return node;  // it stays as it is
  std::sort(factors.begin(), factors.end(), before);
  Expr product = factors[0];
  for (size_t i = 1; i < factors.size(); ++i)
    product = keep(make_apply(Fn::mul, {product, factors[i]}, node.where()));
  return product;
}

// A reduction over dims that depend on nothing but the extents.
Expr CanonicalForms::with_own_dims(const Expr& value) {
  const Reduce* reduce = as<Reduce>(value);
  if (reduce == nullptr) return value;
  Dims bound = reduce->dims;
  std::stable_sort(bound.begin(), bound.end(),
                   [](const Dim& a, const Dim& b) { return a.extent() < b.extent(); });
  std::map<Dim, Expr> renamed;
  Dims own;
  for (size_t i = 0; i < bound.size(); ++i) {
    const int64_t extent = bound[i].extent();
    const auto it = dims_.try_emplace({extent, i}, Dim("k" + std::to_string(i), extent)).first;
    renamed.emplace(bound[i], make_index(it->second));
    own.push_back(it->second);
  }
  return make_reduce(reduce->op, sorted(own), substitute(reduce->body, renamed), value.where());
}

}  // namespace tessera
