#include "ir/shared_parts.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/structure.h"

namespace tessera {
namespace {

constexpr size_t kMostNodes = 5000;

// What may not be taken out of its place.
bool holds_still(const Expr& node) {
  const Apply* apply = as<Apply>(node);
  return as<Gradient>(node) != nullptr || as<Looped>(node) != nullptr ||
         (apply != nullptr && (apply->fn == Fn::checkpoint || apply->fn == Fn::stop_gradient));
}

bool may_be_named(const Expr& node) {
  const Apply* apply = as<Apply>(node);
  if (apply == nullptr || !is_float(node.type()) || node.dims().empty()) return false;
  if (apply->fn != Fn::mul) return apply->fn != Fn::neg && apply->fn != Fn::cast;
  return std::all_of(apply->args.begin(), apply->args.end(), [&](const Expr& arg) {
    return arg.dims().empty() || arg.dims() == node.dims();
  });
}

// The nodes that stand in more than one formula once those that do are formulas of their own.
std::unordered_set<const ExprNode*> shared_nodes(const Expr& formula) {
  using Formulas = std::set<const ExprNode*>;  // the reductions or named parts around a node
  std::unordered_set<const ExprNode*> found;
  std::unordered_map<const ExprNode*, Formulas> around;
  around[&formula.node()].insert(nullptr);
  const std::vector<Expr> nodes = subexpressions(formula);
  for (size_t i = nodes.size(); i-- > 0;) {  // parents first
    const Expr& node = nodes[i];
    const auto known = around.find(&node.node());
    if (known == around.end() || as<Read>(node) != nullptr) continue;  // an index
    const bool named = may_be_named(node) && known->second.size() > 1;
    if (named) found.insert(&node.node());
    const Formulas inside =
        named || as<Reduce>(node) != nullptr ? Formulas{&node.node()} : known->second;
    for (const Expr& child : children(node))
      around[&child.node()].insert(inside.begin(), inside.end());
  }
  return found;
}

}  // namespace

Expr name_shared_parts(const Expr& formula, const std::function<Tensor(const Expr& part)>& define) {
  if (!any_node(formula, [](const Expr& node) { return as<Reduce>(node) != nullptr; }))
    return formula;
  const Expr shared = SharedNodes(true).share(formula);
  const std::vector<Expr> nodes = subexpressions(shared);
  if (nodes.size() > kMostNodes || std::any_of(nodes.begin(), nodes.end(), holds_still))
    return formula;
  const std::unordered_set<const ExprNode*> found = shared_nodes(shared);
  if (found.empty()) return formula;
  std::unordered_map<const ExprNode*, Expr> made;
  for (const Expr& node : nodes) {
    std::vector<Expr> parts;
    bool changed = false;
    for (const Expr& child : children(node)) {
      const auto it = made.find(&child.node());
      parts.push_back(it == made.end() ? child : it->second);
      changed = changed || it != made.end();
    }
    const Expr here = changed ? with_children(node, parts) : node;
    if (found.count(&node.node()) != 0) {
      made.emplace(&node.node(), make_read(define(here), node.where()));
    } else if (changed) {
      made.emplace(&node.node(), here);
    }
  }
  const auto it = made.find(&shared.node());
  return it == made.end() ? formula : it->second;
}

}  // namespace tessera
