#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ir/expr.h"

namespace tessera {

// Walking, rewriting and comparing expressions. All are linear in the number of distinct nodes:
// shared nodes are visited once.

// Every distinct node below and including `expr`, children first. Does not enter the definitions
// of the tensors that are read.
std::vector<Expr> subexpressions(const Expr& expr);

// Those of them whose value is asked for wherever the formula's is: not what only one side of a
// `where` needs.
std::unordered_set<const ExprNode*> evaluated_nodes(const Expr& expr);

// The tensors that `expr` reads (in gradients too), each once, in order of first appearance.
std::vector<Tensor> tensors_read(const Expr& expr);
bool reads_tensor(const Expr& expr, const Tensor& tensor);

// The direct children: arguments, indices, body.
std::vector<Expr> children(const Expr& expr);

// The same node with other children, in the order of `children`.
Expr with_children(const Expr& expr, const std::vector<Expr>& replaced);

// Rewrites bottom-up: `rewrite` sees each node after its children were rewritten and returns what
// to put in its place.
Expr transform(const Expr& expr, const std::function<Expr(const Expr&)>& rewrite);

// Replaces free indices by integer expressions. A dim that a reduction inside `expr` binds is left
// alone there; when a replacement mentions that dim, the bound one is renamed first.
Expr substitute(const Expr& expr, const std::map<Dim, Expr>& replacements);

// Reads of the left tensors become reads of the right ones, index by index; dims must match.
Expr replace_tensors(const Expr& expr, const std::map<Tensor, Tensor>& replacements);

// The tensor that `expr` reads as it stands, each of its dims by its own index; nothing for any
// other formula.
std::optional<Tensor> whole_tensor(const Expr& expr);

// The same formula: same structure, constants, dims and tensors (by identity).
bool equivalent(const Expr& a, const Expr& b);
// Equal for equivalent expressions, within one process.
uint64_t structure_hash(const Expr& expr);

// Makes equal parts of formulas one node each, so that what walks over nodes meets them once.
//
//   (x * y + 1) * (x * y)   has 6 distinct nodes instead of 9
//
// With `in_any_order`, also those that differ only in the order of factors and of the two sides of
// what commutes: the first that is seen stands for all.
//
//   (x * y + 1) * (1 + y * x)   has 6 as well
class SharedNodes {
 public:
  explicit SharedNodes(bool in_any_order = false) : in_any_order_(in_any_order) {}

  // Equal formulas give the same node. Nodes that it has seen before are not walked again.
  Expr share(const Expr& expr);

 private:
  struct Seen {
    Expr node;  // kept alive, so that its address stays its own
    Expr shared;
  };
  Expr only(const Expr& node);
  std::vector<Expr> parts_of(const Expr& node) const;

  bool in_any_order_;
  std::unordered_map<uint64_t, std::vector<Expr>> known_;
  std::unordered_map<const ExprNode*, Seen> seen_;
};

// May the two arguments be exchanged?
bool commutes(Fn fn);

// The factors of a product, with its products taken apart; of one with more than
// kMostProductFactors, some of these stay whole.
constexpr size_t kMostProductFactors = 24;
std::vector<Expr> factors_of_product(const Expr& product);

// Pairs of nodes that were compared.
using NodePairs = std::set<std::pair<const ExprNode*, const ExprNode*>>;

// Does some node of `expr` satisfy the predicate?
bool any_node(const Expr& expr, const std::function<bool(const Expr&)>& predicate);

}  // namespace tessera
