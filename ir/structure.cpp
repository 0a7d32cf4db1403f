#include "ir/structure.h"

#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "ir/each_child.h"
#include "ir/seen_nodes.h"

namespace tessera {
namespace {

void collect(const Expr& expr, SeenNodes& seen, std::vector<Expr>& found) {
  if (!seen.insert(&expr.node())) return;
  each_child(expr, [&](const Expr& child) { collect(child, seen, found); });
  found.push_back(expr);
}

// The tensors that a walk meets, in the order of `subexpressions`. Few are looked for among all.
class TensorsRead {
 public:
  void add_all(const Expr& expr) {
    if (!seen_.insert(&expr.node())) return;
    each_child(expr, [&](const Expr& child) { add_all(child); });
    if (const Read* read = as<Read>(expr)) add(read->tensor);
    if (const Gradient* gradient = as<Gradient>(expr)) {
      add(gradient->loss);
      add(gradient->wrt);
    }
  }

  std::vector<Tensor> found() { return std::move(found_); }

 private:
  static constexpr size_t kFew = 16;

  void add(const Tensor& tensor) {
    if (found_.size() < kFew) {
      for (const Tensor& other : found_)
        if (other.id() == tensor.id()) return;
      found_.push_back(tensor);
      return;
    }
    if (many_.empty())
      for (const Tensor& other : found_) many_.insert(other.id());
    if (many_.insert(tensor.id()).second) found_.push_back(tensor);
  }

  SeenNodes seen_;
  std::vector<Tensor> found_;
  std::unordered_set<const TensorNode*> many_;
};

using Rewritten = std::unordered_map<const ExprNode*, Expr>;

Expr transform_node(const Expr& expr, const std::function<Expr(const Expr&)>& rewrite,
                    Rewritten& done) {
  if (const auto it = done.find(&expr.node()); it != done.end()) return it->second;
  std::vector<Expr> after;
  bool changed = false;
  each_child(expr, [&](const Expr& child) {
    after.push_back(transform_node(child, rewrite, done));
    changed = changed || !after.back().is(child);
  });
  Expr result = rewrite(changed ? with_children(expr, after) : expr);
  done.emplace(&expr.node(), result);
  return result;
}

// Bound dims that a replacement mentions are renamed, so that nothing is captured.
Expr substitute_under_binder(const Expr& expr, const Reduce& reduce,
                             const std::map<Dim, Expr>& replacements) {
  std::map<Dim, Expr> inner;
  Dims mentioned;
  for (const auto& [dim, value] : replacements) {
    if (contains(reduce.dims, dim) || !contains(reduce.body.dims(), dim)) continue;
    inner.emplace(dim, value);
    mentioned = unite(mentioned, value.dims());
  }
  if (inner.empty()) return expr;
  Dims bound;
  for (const Dim& dim : reduce.dims) {
    if (!contains(mentioned, dim)) {
      bound.push_back(dim);
      continue;
    }
    const Dim fresh(dim.name() + "_", dim.extent(), dim.where());
    inner.emplace(dim, make_index(fresh, expr.where()));
    bound.push_back(fresh);
  }
  return make_reduce(reduce.op, bound, substitute(reduce.body, inner), expr.where());
}

Expr substitute_node(const Expr& expr, const std::map<Dim, Expr>& replacements, Rewritten& done) {
  if (const auto it = done.find(&expr.node()); it != done.end()) return it->second;
  Expr result = expr;
  if (const IndexOf* index = as<IndexOf>(expr)) {
    const auto it = replacements.find(index->dim);
    if (it != replacements.end()) result = it->second;
  } else if (const Reduce* reduce = as<Reduce>(expr)) {
    result = substitute_under_binder(expr, *reduce, replacements);
  } else {
    std::vector<Expr> after;
    bool changed = false;
    for (const Expr& child : children(expr)) {
      after.push_back(substitute_node(child, replacements, done));
      changed = changed || !after.back().is(child);
    }
    if (changed) result = with_children(expr, after);
  }
  done.emplace(&expr.node(), result);
  return result;
}

}  // namespace

std::vector<Expr> subexpressions(const Expr& expr) {
  SeenNodes seen;
  std::vector<Expr> found;
  collect(expr, seen, found);
  return found;
}

std::unordered_set<const ExprNode*> evaluated_nodes(const Expr& expr) {
  std::unordered_set<const ExprNode*> evaluated;
  std::vector<Expr> open = {expr};
  while (!open.empty()) {
    const Expr node = open.back();
    open.pop_back();
    if (!evaluated.insert(&node.node()).second) continue;
    const Apply* apply = as<Apply>(node);
    const std::vector<Expr> below = children(node);
    const size_t count = apply != nullptr && apply->fn == Fn::where ? 1 : below.size();
    open.insert(open.end(), below.begin(), below.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return evaluated;
}

std::vector<Tensor> tensors_read(const Expr& expr) {
  TensorsRead read;
  read.add_all(expr);
  return read.found();
}

bool reads_tensor(const Expr& expr, const Tensor& tensor) {
  const std::vector<Tensor> read = tensors_read(expr);
  return std::find(read.begin(), read.end(), tensor) != read.end();
}

std::vector<Expr> children(const Expr& expr) {
  std::vector<Expr> result;
  each_child(expr, [&](const Expr& child) { result.push_back(child); });
  return result;
}

Expr with_children(const Expr& expr, const std::vector<Expr>& replaced) {
  if (const Apply* apply = as<Apply>(expr)) {
    if (apply->fn == Fn::cast) return make_cast(expr.type(), replaced[0], expr.where());
    return make_apply(apply->fn, replaced, expr.where());
  }
  if (const Reduce* reduce = as<Reduce>(expr))
    return make_reduce(reduce->op, reduce->dims, replaced[0], expr.where());
  if (const Read* read = as<Read>(expr)) {
    std::vector<Index> indices = read->indices;
    for (size_t i = 0; i < indices.size(); ++i) indices[i].value = replaced[i];
    return make_read(read->tensor, std::move(indices), read->pad, expr.where());
  }
  if (const Looped* looped = as<Looped>(expr)) return make_looped(replaced[0], looped->carries);
  return expr;
}

Expr transform(const Expr& expr, const std::function<Expr(const Expr&)>& rewrite) {
  Rewritten done;
  return transform_node(expr, rewrite, done);
}

Expr substitute(const Expr& expr, const std::map<Dim, Expr>& replacements) {
  if (replacements.empty()) return expr;
  Rewritten done;
  return substitute_node(expr, replacements, done);
}

Expr replace_tensors(const Expr& expr, const std::map<Tensor, Tensor>& replacements) {
  if (replacements.empty()) return expr;
  return transform(expr, [&](const Expr& node) -> Expr {
    const Read* read = as<Read>(node);
    if (read == nullptr) return node;
    const auto it = replacements.find(read->tensor);
    if (it == replacements.end()) return node;
    const Tensor& other = it->second;
    std::vector<Index> indices;
    for (const Dim& dim : other.dims()) {
      const int at = position(read->tensor.dims(), dim);
      TESSERA_CHECK(at >= 0) << "`" << other.name() << "` has other dims than `"
                             << read->tensor.name() << "`";
      indices.push_back(read->indices[static_cast<size_t>(at)]);
    }
    return make_read(other, std::move(indices), read->pad, node.where());
  });
}

std::optional<Tensor> whole_tensor(const Expr& expr) {
  const Read* read = as<Read>(expr);
  if (read == nullptr) return std::nullopt;
  for (size_t i = 0; i < read->indices.size(); ++i) {
    const IndexOf* plain = as<IndexOf>(read->indices[i].value);
    if (plain == nullptr || !(plain->dim == read->tensor.dims()[i])) return std::nullopt;
  }
  return read->tensor;
}

// From the root down, so that what a node near it decides is found at once.
bool any_node(const Expr& expr, const std::function<bool(const Expr&)>& predicate) {
  SeenNodes seen;
  std::vector<Expr> open = {expr};
  while (!open.empty()) {
    const Expr node = open.back();
    open.pop_back();
    if (!seen.insert(&node.node())) continue;
    if (predicate(node)) return true;
    each_child(node, [&](const Expr& child) { open.push_back(child); });
  }
  return false;
}

}  // namespace tessera
