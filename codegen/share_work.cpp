#include "codegen/share_work.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "codegen/stages.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr double kCostly = 8;        // operations; a store and a load cost less
constexpr size_t kMostNodes = 5000;  // of the formulas of one kernel
constexpr size_t kMostNewParts = 8;

// Values in registers are wider than those of half types in memory.
bool is_kept_exactly(const Expr& part) {
  return is_float(part.type()) && size_of(part.type()) >= 4;
}

class WorkSharer {
 public:
  explicit WorkSharer(std::vector<Nest> nests)
      : nests_(std::move(nests)), plan_(plan_stages(nests_)) {
    for (Nest& nest : nests_) nest.body = shared_.share(nest.body);
    // One that repeats its formula along a dim would have to be read at some place of that.
    for (size_t n = 0; n < nests_.size(); ++n)
      if (!nests_[n].op && subtract(nests_[n].loops(), sorted(nests_[n].body.dims())).empty())
        holders_.emplace(&nests_[n].body.node(), n);
  }

  std::vector<Nest> run() {
    if (plan_.stages.size() < 2) return nests_;
    for (size_t n = 0; n < nests_.size(); ++n) find_uses(n, nests_[n].body);
    for (size_t n = 0; n < nests_.size(); ++n) {
      reader_ = n;
      made_.clear();
      const Expr body = with_parts_read(nests_[n].body);
      result_.push_back(nests_[n]);
      result_.back().body = body;
    }
    return changed_ ? result_ : nests_;
  }

 private:
  bool is_costly(const Expr& part) const {
    return as<Apply>(part) != nullptr && is_kept_exactly(part) && flops_of(part) >= kCostly &&
           subtract(sorted(part.dims()), plan_.shared) != Dims{};
  }

  // In which stages a part stands.
  void find_uses(size_t n, const Expr& body) {
    for (const Expr& part : subexpressions(body))
      if (is_costly(part)) used_in_[&part.node()].insert(plan_.stage_of[n]);
  }

  // The tensor to read in place of a part; the first stage with it computes it.
  std::optional<Tensor> kept(const Expr& part) {
    const auto used = used_in_.find(&part.node());
    if (used == used_in_.end() || used->second.size() < 2) return std::nullopt;
    const auto holder = holders_.find(&part.node());
    if (holder != holders_.end())
      return holder->second < reader_ ? std::optional(nests_[holder->second].out) : std::nullopt;
    if (reads_may_leave(part)) return std::nullopt;  // it may stand behind a condition
    const auto [it, added] = named_.emplace(&part.node(), std::nullopt);
    if (added) {
      const Expr body = with_children_read(part);
      const Tensor tensor = make_undivided(nests_[reader_].out.name() + "_part", body);
      named_[&part.node()] = tensor;
      result_.push_back({tensor, {}, {}, body});
    }
    return named_.at(&part.node());
  }

  Expr with_children_read(const Expr& node) {
    std::vector<Expr> parts;
    for (const Expr& child : children(node)) parts.push_back(with_parts_read(child));
    return with_children(node, parts);
  }

  Expr with_parts_read(const Expr& node) {
    const auto known = made_.find(&node.node());
    if (known != made_.end()) return known->second;
    Expr result = node;
    const bool whole = !nests_[reader_].op && &node.node() == &nests_[reader_].body.node();
    const std::optional<Tensor> tensor = whole ? std::nullopt : kept(node);
    if (tensor) {
      result = make_read(*tensor);
      changed_ = true;
    } else if (as<Apply>(node) != nullptr) {
      result = with_children_read(node);
    }
    made_.emplace(&node.node(), result);
    return result;
  }

  SharedNodes shared_;
  std::vector<Nest> nests_;
  GroupPlan plan_;
  std::unordered_map<const ExprNode*, size_t> holders_;  // maps whose formula a part is
  std::unordered_map<const ExprNode*, std::set<int>> used_in_;
  std::unordered_map<const ExprNode*, std::optional<Tensor>> named_;
  std::unordered_map<const ExprNode*, Expr> made_;
  std::vector<Nest> result_;
  size_t reader_ = 0;
  bool changed_ = false;
};

size_t nodes_of(const std::vector<Nest>& nests) {
  size_t count = 0;
  for (const Nest& nest : nests) count += subexpressions(nest.body).size();
  return count;
}

}  // namespace

std::vector<Nest> share_work(const std::vector<Nest>& nests) {
  if (nests.size() < 2 || nodes_of(nests) > kMostNodes) return nests;
  const Dims before = shared_dims(nests);
  if (!stays_in_cache(nests, before)) return nests;
  std::vector<Nest> kept = WorkSharer(nests).run();
  if (kept.size() > nests.size() + kMostNewParts) return nests;
  return shared_dims(kept) == before && stays_in_cache(kept, before) ? kept : nests;
}

}  // namespace tessera
