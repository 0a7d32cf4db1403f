#include <algorithm>
#include <map>
#include <set>

#include "codegen/blocked_group.h"
#include "codegen/contraction.h"
#include "codegen/loop_nest.h"
#include "codegen/scan.h"
#include "codegen/scatter.h"
#include "codegen/stages.h"
#include "ir/index_range.h"
#include "ir/structure.h"

namespace tessera {
namespace {

bool has(const Dims& dims, const Dim& dim) {
  return contains(dims, dim);
}

// Does the formula use the index itself, other than in what it reads?
bool bare_use(const Expr& expr, const Dim& dim) {
  if (!has(expr.dims(), dim) || as<Read>(expr) != nullptr) return false;
  if (as<IndexOf>(expr) != nullptr) return true;
  for (const Expr& child : children(expr))
    if (bare_use(child, dim)) return true;
  return false;
}

// Is a block of the dim a window into whatever is read: the elements of the first block, moved by
// so many for each index? A guard of a padded read would have to be told how far it moved.
bool reads_windows(const Nest& nest, const Dim& dim) {
  for (const Expr& node : reads_of(nest)) {
    const Read& read = *as<Read>(node);
    for (size_t i = 0; i < read.indices.size(); ++i) {
      const Expr& index = read.indices[i].value;
      if (bare_use(index, dim) && (!affine_form(index) || !stays_inside(read, i))) return false;
    }
  }
  return true;
}

bool reads_at_own_index(const Nest& nest, const std::set<Tensor>& written, const Dim& dim) {
  for (const Expr& node : reads_of(nest)) {
    const Read& read = *as<Read>(node);
    if (written.count(read.tensor) == 0) continue;
    const int at = position(read.tensor.dims(), dim);
    if (at < 0) return false;
    const IndexOf* index = as<IndexOf>(read.indices[static_cast<size_t>(at)].value);
    if (index == nullptr || !(index->dim == dim)) return false;
    for (size_t i = 0; i < read.indices.size(); ++i)
      if (static_cast<int>(i) != at && bare_use(read.indices[i].value, dim)) return false;
  }
  return true;
}

bool adds_without_rounding(const Nest& nest) {
  const DType type = nest.out.type();
  return nest.body.type() == type && (!is_float(type) || size_of(type) >= 4);
}

struct GroupFacts {
  explicit GroupFacts(const KernelGroup& group) : nests(group.nests) {
    for (size_t n = 0; n < nests.size(); ++n) {
      for (const Tensor& tensor : tensors_read(nests[n].body)) {
        if (written.count(tensor) == 0) continue;
        passed.insert(tensor);
        last_read[tensor] = n;
      }
      written.insert(nests[n].out);
      written_by[nests[n].out] = n;
      const std::optional<Contraction> contraction = find_contraction(nests[n]);
      if (contraction && worth_tiling(*contraction))
        reuse = unite(reuse, subtract(sorted(nests[n].loops()), contraction->batch));
    }
  }

  bool reduces(const Dim& dim) const {
    return std::any_of(nests.begin(), nests.end(),
                       [&](const Nest& nest) { return has(nest.reduced, dim); });
  }

  bool walkable(const Dim& dim) const {
    for (const Nest& nest : nests) {
      if (!has(nest.loops(), dim) || !reads_windows(nest, dim)) return false;
      if (!reads_at_own_index(nest, written, dim)) return false;
      if (has(nest.reduced, dim) && (passed.count(nest.out) != 0 || !adds_without_rounding(nest)))
        return false;
    }
    return true;
  }

  // Of what nests pass to each other, at the nest where it is most, when the walked dims have these
  // blocks.
  double passed_bytes(const std::vector<BlockWalk>& walks) const {
    double most = 0;
    for (size_t n = 0; n < nests.size(); ++n) {
      double here = 0;
      for (const Tensor& tensor : passed)
        if (written_by.at(tensor) <= n && n <= last_read.at(tensor) && !replaced_at(tensor, n))
          here += block_bytes(tensor, walks);
      most = std::max(most, here);
    }
    return most;
  }

  // Does the nest put its result where the tensor lay, element by element?
  bool replaced_at(const Tensor& tensor, size_t n) const {
    const Nest& nest = nests[n];
    return last_read.at(tensor) == n && !nest.op && passed.count(nest.out) != 0 &&
           same_set(nest.out.dims(), tensor.dims()) && nest.out.type() == tensor.type();
  }

  static double block_bytes(const Tensor& tensor, const std::vector<BlockWalk>& walks) {
    auto bytes = static_cast<double>(size_of(tensor.type()));
    for (const Dim& dim : tensor.dims()) bytes *= static_cast<double>(dim.extent());
    for (const BlockWalk& walk : walks)
      if (has(tensor.dims(), walk.dim))
        bytes *= static_cast<double>(walk.block) / static_cast<double>(walk.dim.extent());
    return bytes;
  }

  // The walkable dims: those that are not reduced first; of each kind those that give tiles no
  // reuse, so that the others stay long; then in the order of the largest tensor that is passed.
  std::vector<BlockWalk> candidates() const {
    const Tensor* largest = nullptr;
    for (const Tensor& tensor : passed)
      if (largest == nullptr || volume(tensor.dims()) > volume(largest->dims())) largest = &tensor;
    std::vector<BlockWalk> walks;
    if (largest == nullptr) return walks;
    for (const bool serial : {false, true})
      for (const bool reused : {false, true})
        for (const Dim& dim : largest->dims())
          if (dim.extent() > 1 && walkable(dim) && reduces(dim) == serial &&
              has(reuse, dim) == reused)
            walks.push_back({dim, dim.extent(), serial});
    return walks;
  }

  const std::vector<Nest>& nests;
  std::set<Tensor> written, passed;
  std::map<Tensor, size_t> written_by, last_read;
  Dims reuse;  // of which tiles gain from many indices, as they do not from those of a batch
};

// The largest block up to `most` that leaves no rest, where there is one of at least half the size;
// else one that vectors and tiles divide.
int64_t even_block(int64_t extent, int64_t most) {
  if (most >= extent) return extent;
  for (int64_t block = most; 2 * block > most; --block)
    if (extent % block == 0) return block;
  for (const int64_t unit : {16, 8, 4})
    if (most >= 2 * unit) return most / unit * unit;
  return most;
}

bool holds_tiles(const KernelGroup& group) {
  return std::any_of(group.nests.begin(), group.nests.end(), [](const Nest& nest) {
    const std::optional<Contraction> contraction = find_contraction(nest);
    return contraction && worth_tiling(*contraction);
  });
}

bool may_walk(const KernelGroup& group, const BlockLimits& limits) {
  if (!limits.always && !may_run_in_blocks(group)) return false;
  if (group.nests.size() < 2 || find_contraction(group)) return false;
  return std::none_of(group.nests.begin(), group.nests.end(), [](const Nest& nest) {
    return find_scatter(nest) || find_scan(nest) || volume(nest.loops()) == 0;
  });
}

// The walks, when their blocks are not too many to add up.
std::optional<std::vector<BlockWalk>> checked(std::vector<BlockWalk> walks) {
  int64_t additions = 1;
  for (const BlockWalk& walk : walks)
    if (walk.serial) additions *= walk.trips();
  if (walks.empty() || additions > kPlainTerms) return std::nullopt;
  return walks;
}

}  // namespace

bool stays_inside(const Read& read, size_t i) {
  if (!read.indices[i].padded) return true;
  const std::optional<IndexRange> range = index_range(read.indices[i].value);
  return range && range->low >= 0 && range->high < read.tensor.dims()[i].extent();
}

bool may_run_in_blocks(const KernelGroup& group) {
  if (group.nests.size() < 2 || find_contraction(group)) return false;
  return holds_tiles(group) || !runs_as_one_nest(group.nests);
}

bool runs_as_loop_nest(const KernelGroup& group) {
  const std::optional<ContractionGroup> contraction = find_contraction(group);
  return !(contraction && worth_tiling(contraction->contraction)) && !may_run_in_blocks(group);
}

std::optional<std::vector<BlockWalk>> plan_walks(const KernelGroup& group,
                                                 const BlockLimits& limits) {
  if (!may_walk(group, limits)) return std::nullopt;
  const GroupFacts facts(group);
  std::vector<BlockWalk> walks = facts.candidates();
  if (facts.passed_bytes(walks) <= limits.room) return std::nullopt;
  for (size_t i = 0; i < walks.size(); ++i) {
    int64_t& block = walks[i].block;
    const int64_t extent = walks[i].dim.extent();
    block = 1;
    const double one = facts.passed_bytes(walks);
    if (one > limits.room && i + 1 < walks.size()) continue;
    block = even_block(extent, std::max<int64_t>(1, static_cast<int64_t>(limits.room / one)));
    if (walks[i].serial && walks[i].trips() > kPlainTerms)
      block = even_block(extent, (extent + kPlainTerms - 1) / kPlainTerms);
    if (one * static_cast<double>(block) > limits.most_room) return std::nullopt;
    walks.erase(walks.begin() + static_cast<std::ptrdiff_t>(i) + 1, walks.end());
    break;
  }
  return checked(std::move(walks));
}

BlockChoice choice_of(const std::vector<BlockWalk>& walks) {
  BlockChoice choice;
  for (const BlockWalk& walk : walks) choice.blocks.push_back(walk.block);
  return choice;
}

std::optional<std::vector<BlockWalk>> plan_walks(const KernelGroup& group,
                                                 const BlockLimits& limits,
                                                 const BlockChoice& choice) {
  if (!may_walk(group, limits)) return std::nullopt;
  std::vector<BlockWalk> walks = GroupFacts(group).candidates();
  if (choice.blocks.empty() || choice.blocks.size() > walks.size()) return std::nullopt;
  walks.erase(walks.begin() + static_cast<std::ptrdiff_t>(choice.blocks.size()), walks.end());
  for (size_t i = 0; i < walks.size(); ++i) {
    walks[i].block = choice.blocks[i];
    const bool last = i + 1 == walks.size();
    if (walks[i].block < 1 || walks[i].block >= walks[i].dim.extent()) return std::nullopt;
    if (!last && walks[i].block > 1) return std::nullopt;
  }
  return checked(std::move(walks));
}

}  // namespace tessera
