#include <algorithm>
#include <functional>

#include "base/hash.h"
#include "ir/each_child.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// The same node but for its children?
bool same_kind(const Expr& a, const Expr& b) {
  if (a.node().kind.index() != b.node().kind.index() || a.type() != b.type()) return false;
  if (const Constant* x = as<Constant>(a)) return x->value == as<Constant>(b)->value;
  if (const IndexOf* x = as<IndexOf>(a)) return x->dim == as<IndexOf>(b)->dim;
  if (const Apply* x = as<Apply>(a)) return x->fn == as<Apply>(b)->fn;
  if (const Reduce* x = as<Reduce>(a))
    return x->op == as<Reduce>(b)->op && x->dims == as<Reduce>(b)->dims;
  if (const Gradient* x = as<Gradient>(a))
    return x->loss == as<Gradient>(b)->loss && x->wrt == as<Gradient>(b)->wrt;
  if (const Looped* x = as<Looped>(a)) return x->carries == as<Looped>(b)->carries;
  const Read* x = as<Read>(a);
  const Read* y = as<Read>(b);
  if (!(x->tensor == y->tensor) || !(x->pad == y->pad)) return false;
  for (size_t i = 0; i < x->indices.size(); ++i)
    if (x->indices[i].padded != y->indices[i].padded) return false;
  return true;
}

bool equivalent_nodes(const Expr& a, const Expr& b, NodePairs& matched) {
  if (a.is(b)) return true;
  if (!same_kind(a, b)) return false;
  if (matched.count({&a.node(), &b.node()}) != 0) return true;
  const std::vector<Expr> left = children(a);
  const std::vector<Expr> right = children(b);
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i)
    if (!equivalent_nodes(left[i], right[i], matched)) return false;
  matched.insert({&a.node(), &b.node()});
  return true;
}

void add_factors(const Expr& node, std::vector<Expr>& factors) {
  const Apply* apply = as<Apply>(node);
  if (apply == nullptr || apply->fn != Fn::mul || factors.size() > kMostProductFactors) {
    factors.push_back(node);
    return;
  }
  for (const Expr& arg : apply->args) add_factors(arg, factors);
}

uint64_t mix(uint64_t seed, uint64_t value) {
  return hash_bytes({reinterpret_cast<const char*>(&value), sizeof value}, seed);
}

uint64_t node_hash(const Expr& expr) {
  uint64_t hash = mix(expr.node().kind.index(), static_cast<uint64_t>(expr.type()));
  if (const Constant* x = as<Constant>(expr)) return mix(hash, static_cast<uint64_t>(x->value.i));
  if (const Apply* x = as<Apply>(expr)) return mix(hash, static_cast<uint64_t>(x->fn));
  if (const Read* x = as<Read>(expr)) return mix(hash, reinterpret_cast<uint64_t>(x->tensor.id()));
  if (const Reduce* x = as<Reduce>(expr)) hash = mix(hash, static_cast<uint64_t>(x->op));
  // Many dims may have one name; a dim's own place tells it from the others.
  for (const Dim& dim : expr.dims()) hash = mix(hash, reinterpret_cast<uint64_t>(&dim.name()));
  return hash;
}

uint64_t structure_hash_node(const Expr& expr,
                             std::unordered_map<const ExprNode*, uint64_t>& done) {
  if (const auto it = done.find(&expr.node()); it != done.end()) return it->second;
  uint64_t hash = node_hash(expr);
  each_child(expr, [&](const Expr& child) { hash = mix(hash, structure_hash_node(child, done)); });
  done[&expr.node()] = hash;
  return hash;
}

}  // namespace

bool commutes(Fn fn) {
  switch (fn) {
    case Fn::add:
    case Fn::mul:
    case Fn::eq:
    case Fn::ne:
    case Fn::logical_and:
    case Fn::logical_or:
      return true;
    default:
      return false;
  }
}

std::vector<Expr> factors_of_product(const Expr& product) {
  std::vector<Expr> factors;
  add_factors(product, factors);
  return factors;
}

bool equivalent(const Expr& a, const Expr& b) {
  NodePairs matched;
  return equivalent_nodes(a, b, matched);
}

uint64_t structure_hash(const Expr& expr) {
  std::unordered_map<const ExprNode*, uint64_t> done;
  return structure_hash_node(expr, done);
}

Expr SharedNodes::share(const Expr& expr) {
  if (const auto it = seen_.find(&expr.node()); it != seen_.end()) return it->second.shared;
  std::vector<Expr> after;
  bool changed = false;
  each_child(expr, [&](const Expr& child) {
    after.push_back(share(child));
    changed = changed || !after.back().is(child);
  });
  const Expr result = only(changed ? with_children(expr, after) : expr);
  seen_.emplace(&result.node(), Seen{result, result});
  seen_.emplace(&expr.node(), Seen{expr, result});
  return result;
}

// By which a node is told from others of its kind.
std::vector<Expr> SharedNodes::parts_of(const Expr& node) const {
  const Apply* apply = as<Apply>(node);
  if (!in_any_order_ || apply == nullptr || !commutes(apply->fn)) return children(node);
  std::vector<Expr> parts = apply->fn == Fn::mul ? factors_of_product(node) : apply->args;
  std::sort(parts.begin(), parts.end(),
            [](const Expr& a, const Expr& b) { return std::less<>()(&a.node(), &b.node()); });
  return parts;
}

// Children come first and are the only ones of their kind, so theirs are compared by identity.
Expr SharedNodes::only(const Expr& node) {
  const std::vector<Expr> below = parts_of(node);
  uint64_t hash = node_hash(node);
  for (const Expr& child : below) hash = mix(hash, reinterpret_cast<uint64_t>(&child.node()));
  std::vector<Expr>& known = known_[hash];
  for (const Expr& other : known) {
    if (other.is(node)) return other;
    const std::vector<Expr> parts = parts_of(other);
    bool same = same_kind(other, node) && parts.size() == below.size();
    for (size_t i = 0; same && i < parts.size(); ++i) same = parts[i].is(below[i]);
    if (same) return other;
  }
  known.push_back(node);
  return node;
}

}  // namespace tessera
