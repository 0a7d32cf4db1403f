#include "codegen/stages.h"

#include <algorithm>
#include <map>

#include "codegen/scatter.h"
#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr int64_t kLanes = 64;                // of four vectors
constexpr int64_t kScratchBytes = 128 << 10;  // of one shared point: half of a small L2

int64_t bytes_of_dims(const Tensor& tensor, const Dims& dims) {
  return volume(dims) * static_cast<int64_t>(size_of(tensor.type()));
}

bool plain_at(const Read& read, size_t i) {
  const IndexOf* index = as<IndexOf>(read.indices[i].value);
  return index != nullptr && index->dim == read.tensor.dims()[i] && !read.indices[i].padded;
}

enum class Part { inner, reduction, outer };

// Adds nests to stages, in order.
class Planner {
 public:
  explicit Planner(const std::vector<Nest>& nests) : nests_(nests) {
    plan_.shared = shared_dims(nests);
    for (size_t i = 0; i < nests.size(); ++i) place(static_cast<int>(i));
  }
  GroupPlan take() { return std::move(plan_); }

 private:
  void place(int n) {
    const Nest& nest = nests_[static_cast<size_t>(n)];
    producers_.clear();
    int first = 0;
    for (const Tensor& tensor : tensors_read(nest.body)) {
      const auto it = written_.find(tensor);
      if (it == written_.end()) continue;
      producers_.push_back(it->second);
      first = std::max(first, plan_.stage_of[static_cast<size_t>(it->second)]);
    }
    plan_.stage_of.push_back(-1);
    parts_.push_back(Part::inner);
    written_.emplace(nest.out, n);
    const StagePlan own = stage_for(nest);
    if (own.takes_others())
      for (int s = static_cast<int>(plan_.stages.size()) - 1; s >= first; --s)
        if (join(n, s)) return;
    plan_.stages.push_back(own);
    put(n, static_cast<int>(plan_.stages.size()) - 1, nest.op ? Part::reduction : Part::inner);
  }

  // A stage for this nest alone.
  StagePlan stage_for(const Nest& nest) const {
    StagePlan stage;
    stage.free = subtract(sorted(nest.out.dims()), plan_.shared);
    stage.reduced = nest.reduced;
    if (const std::optional<Scatter> scatter = find_scatter(nest)) {
      stage.free = subtract(stage.free, scatter->targets);
      stage.scatter = true;
    } else if ((stage.scan = find_scan(nest))) {
      stage.free = subtract(stage.free, {stage.scan->out});
      stage.reduced.clear();
    }
    return stage;
  }

  void put(int n, int s, Part part) {
    StagePlan& stage = plan_.stages[static_cast<size_t>(s)];
    (part == Part::inner       ? stage.inner
     : part == Part::reduction ? stage.reductions
                               : stage.outer)
        .push_back(n);
    plan_.stage_of[static_cast<size_t>(n)] = s;
    parts_[static_cast<size_t>(n)] = part;
  }

  // May nest n, as `part` of stage s, read what other nests of s compute at the same point?
  bool may_read(int n, int s, Part part) const {
    for (int p : producers_) {
      if (plan_.stage_of[static_cast<size_t>(p)] != s) continue;
      const bool early = parts_[static_cast<size_t>(p)] == Part::inner;
      if (early == (part == Part::outer)) return false;
      if (!reads_in_place(nests_[static_cast<size_t>(n)], nests_[static_cast<size_t>(p)].out))
        return false;
    }
    return true;
  }

  bool join(int n, int s) {
    const Nest& nest = nests_[static_cast<size_t>(n)];
    StagePlan& stage = plan_.stages[static_cast<size_t>(s)];
    if (!stage.takes_others()) return false;
    const Dims free = subtract(sorted(nest.out.dims()), plan_.shared);
    const Dims all = unite(stage.free, stage.reduced);
    Part part = nest.op ? Part::reduction : Part::inner;
    if (nest.op) {
      if (unite(free, nest.reduced) != all) return false;
      if (!stage.reduced.empty() && stage.reduced != nest.reduced) return false;
    } else if (!stage.reduced.empty() && free == stage.free) {
      part = Part::outer;
    } else if (free != all) {
      return false;
    }
    if (!may_read(n, s, part)) return false;
    if (nest.op && stage.reduced.empty()) {
      stage.free = free;
      stage.reduced = nest.reduced;
    }
    put(n, s, part);
    return true;
  }

  const std::vector<Nest>& nests_;
  GroupPlan plan_;
  std::vector<Part> parts_;
  std::vector<int> producers_;
  std::map<Tensor, int> written_;
};

}  // namespace

bool reads_in_place(const Nest& nest, const Tensor& tensor) {
  for (const Expr& node : reads_of(nest)) {
    const Read& read = *as<Read>(node);
    if (!(read.tensor == tensor)) continue;
    for (size_t i = 0; i < read.indices.size(); ++i)
      if (!plain_at(read, i)) return false;
  }
  return true;
}

Dims shared_dims(const std::vector<Nest>& nests) {
  if (nests.empty()) return {};
  Dims shared = sorted(nests[0].out.dims());
  std::set<Tensor> written;
  for (const Nest& nest : nests) {
    shared = intersect(shared, sorted(nest.out.dims()));
    if (const std::optional<Scatter> scatter = find_scatter(nest))
      shared = subtract(shared, scatter->targets);
    else if (const std::optional<Scan> scan = find_scan(nest))
      shared = subtract(shared, {scan->out});
    written.insert(nest.out);
  }
  for (const Nest& nest : nests) {
    for (const Expr& node : reads_of(nest)) {
      const Read& read = *as<Read>(node);
      if (written.count(read.tensor) == 0) continue;
      for (size_t i = 0; i < read.indices.size(); ++i)
        if (!plain_at(read, i)) shared = subtract(shared, {read.tensor.dims()[i]});
    }
  }
  return shared;
}

int64_t pieces_to_share(const std::vector<Nest>& nests, const Dims& shared) {
  const Read* largest = nullptr;
  int64_t most = 0;
  for (const Nest& nest : nests)
    for (const Expr& node : reads_of(nest)) {
      const Read* read = as<Read>(node);
      if (read->tensor.dims().empty() || volume(read->tensor.dims()) <= most) continue;
      largest = read;
      most = volume(read->tensor.dims());
    }
  if (largest == nullptr) return volume(shared);
  int64_t pieces = volume(shared);
  const std::optional<Affine> innermost = affine_form(largest->indices.back().value);
  if (!innermost) return pieces;
  for (const auto& [dim, step] : innermost->terms) {
    if (step != 1 || !contains(shared, dim)) continue;
    const int64_t lanes = std::max<int64_t>(1, std::min(dim.extent(), kLanes));
    pieces = (pieces + lanes - 1) / lanes;
  }
  return pieces;
}

GroupPlan plan_stages(const std::vector<Nest>& nests) {
  return Planner(nests).take();
}

bool stays_in_cache(const std::vector<Nest>& nests, const Dims& shared) {
  std::set<Tensor> written;
  for (const Nest& nest : nests) written.insert(nest.out);
  int64_t scratch = 0;
  for (const Tensor& tensor : written)
    scratch += bytes_of_dims(tensor, subtract(tensor.dims(), shared));
  if (scratch > kScratchBytes) return false;
  for (const Tensor& tensor : written) {
    bool inner = false;
    for (const Dim& dim : tensor.dims()) {
      if (dim.extent() == 1) continue;
      if (inner && contains(shared, dim) && bytes_of_dims(tensor, tensor.dims()) > kScratchBytes)
        return false;
      inner = inner || !contains(shared, dim);
    }
  }
  return true;
}

bool runs_as_one_nest(const std::vector<Nest>& nests) {
  return stays_in_cache(nests, shared_dims(nests)) || plan_stages(nests).stages.size() == 1;
}

}  // namespace tessera
