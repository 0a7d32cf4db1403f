#include "ir/split_formula.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "ir/each_child.h"
#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr int64_t kMostShared = 200;                 // weight of a part that is used twice
constexpr int64_t kMostInPart = 600;                 // of any other
constexpr int64_t kMostElements = int64_t{1} << 26;  // of a part, beyond those of the definition
constexpr int64_t kMostInText = 1'000'000;

using Sizes = std::unordered_map<const ExprNode*, int64_t>;

// Of one node: 1, or the flops where these are more.
int64_t weight(const Expr& node) {
  const Apply* apply = as<Apply>(node);
  return apply == nullptr ? 1 : std::max<int64_t>(1, std::lround(info(apply->fn).flops));
}

class Splitter {
 public:
  Splitter(const Expr& value, bool checkpoint)
      : root_(&value.node()),
        elements_(std::max(volume(value.dims()), kMostElements)),
        checkpoint_(checkpoint),
        evaluated_(evaluated_nodes(value)) {
    for (const Expr& node : subexpressions(value)) {
      bool leaves = as<Read>(node) != nullptr && may_leave(*as<Read>(node));
      for (const Expr& child : children(node)) {
        ++uses_[&child.node()];
        leaves = leaves || leaves_.count(&child.node()) != 0;
      }
      if (leaves) leaves_.insert(&node.node());
    }
  }

  Expr rewrite(const Expr& expr) {
    if (const auto it = done_.find(&expr.node()); it != done_.end()) return it->second;
    std::vector<Expr> after;
    bool changed = false;
    int64_t size = weight(expr);
    for (const Expr& child : children(expr)) {
      after.push_back(rewrite(child));
      changed = changed || !after.back().is(child);
      size += sizes_.at(&after.back().node());
    }
    Expr result = changed ? with_children(expr, after) : expr;
    if (size > kMostShared && &expr.node() != root_) result = shorter(expr, result, size);
    sizes_[&result.node()] = size;
    done_.emplace(&expr.node(), result);
    return result;
  }

 private:
  // `result`, which stands for `original`, or something shorter of the same value.
  Expr shorter(const Expr& original, const Expr& result, int64_t& size) const {
    if (uses_.at(&original.node()) < 2 && size <= kMostInPart) return result;
    const IndexFacts* facts = result.node().index.get();
    const bool plain = facts != nullptr && facts->affine && !facts->too_wide &&
                       result.type() == DType::i32 && facts->range &&
                       facts->affine->terms.size() == result.dims().size();
    if (plain) {
      const Expr sum = to_expr(*facts->affine, result.where());
      size = static_cast<int64_t>(subexpressions(sum).size());
      return sum;
    }
    const bool guarded = evaluated_.count(&original.node()) == 0;
    if (guarded && leaves_.count(&original.node()) != 0) return result;
    if (as<Looped>(result) != nullptr || volume(result.dims()) > elements_) return result;
    const Expr value = checkpoint_ ? make_checkpoint(result, result.where()) : result;
    const Tensor part(value, result.where());
    size = 1 + static_cast<int64_t>(part.dims().size());
    return make_read(part, result.where());
  }

  const ExprNode* root_;
  const int64_t elements_;
  const bool checkpoint_;
  const std::unordered_set<const ExprNode*> evaluated_;  // in every case
  std::unordered_map<const ExprNode*, int> uses_;
  std::unordered_set<const ExprNode*> leaves_;  // reading them may go outside
  std::unordered_map<const ExprNode*, Expr> done_;
  Sizes sizes_;  // the weight, written out
};

Expr split(const Expr& value, const std::string& name, bool checkpoint) {
  // A reduction stays the root, so that the definition stays one loop nest.
  const Reduce* reduce = as<Reduce>(value);
  const Expr& inside = reduce != nullptr ? reduce->body : value;
  const Expr parts = Splitter(inside, checkpoint).rewrite(inside);
  if (written_size(parts, kMostInText + 1) > kMostInText)
    throw UserError(value.where(), "the formula" + (name.empty() ? "" : " of `" + name + "`") +
                                       " grows beyond " + std::to_string(kMostInText) +
                                       " operations with its defs put in; give parts of it names, "
                                       "as in `part = …`");
  return reduce != nullptr ? make_reduce(reduce->op, reduce->dims, parts, value.where()) : parts;
}

}  // namespace

bool may_leave(const Read& read) {
  for (size_t i = 0; i < read.indices.size(); ++i) {
    if (read.indices[i].padded) continue;
    const std::optional<IndexRange> range = index_range(read.indices[i].value);
    if (!range || range->low < 0 || range->high >= read.tensor.dims()[i].extent()) return true;
  }
  return false;
}

bool reads_may_leave(const Expr& formula) {
  return any_node(formula, [](const Expr& node) {
    return as<Read>(node) != nullptr && may_leave(*as<Read>(node));
  });
}

int64_t written_size(const Expr& expr, int64_t limit) {
  Sizes sizes;
  int64_t size = 1;
  for (const Expr& node : subexpressions(expr)) {
    size = 1;
    each_child(node,
               [&](const Expr& child) { size = std::min(limit, size + sizes.at(&child.node())); });
    sizes[&node.node()] = size;
  }
  return size;
}

double flops_of(const Expr& expr) {
  double flops = 0;
  for (const Expr& node : subexpressions(expr))
    if (const Apply* apply = as<Apply>(node)) flops += info(apply->fn).flops;
  return flops;
}

Expr in_parts(const Expr& value, const std::string& name) {
  if (written_size(value, kMostWritten + 1) <= kMostWritten && flops_of(value) <= kMostWork)
    return value;
  const Apply* mark = as<Apply>(value);
  if (mark == nullptr || mark->fn != Fn::checkpoint) return split(value, name, false);
  return make_checkpoint(split(mark->args[0], name, true), value.where());
}

}  // namespace tessera
