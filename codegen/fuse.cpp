#include "codegen/fuse.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>

#include "codegen/bit_set.h"
#include "codegen/contraction.h"
#include "codegen/cut_groups.h"
#include "codegen/inline_maps.h"
#include "codegen/join_groups.h"
#include "codegen/lower.h"
#include "codegen/machine.h"
#include "codegen/padded_copies.h"
#include "codegen/partial_reductions.h"
#include "codegen/scan.h"
#include "codegen/scatter.h"
#include "codegen/share_work.h"
#include "codegen/solve_guards.h"
#include "codegen/split_reductions.h"
#include "codegen/stages.h"
#include "ir/split_formula.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr size_t kMostNests = 24;      // of a group
constexpr size_t kMostSiblings = 8;    // groups that read the same tensor and are tried
constexpr int64_t kEnoughPoints = 64;  // to share between threads
constexpr int64_t kTinyPoints = 4096;  // so little that threads do not help

// Nests that will be one kernel, by position, ascending.
struct Cluster {
  std::vector<size_t> nests;
  BitSet before;  // clusters that must run earlier, directly or not
  BitSet after;   // and later
  bool alive = true;
  bool alone = false;        // a scatter or a scan
  bool contraction = false;  // one that is worth tiling
};

class Fuser {
 public:
  Fuser(std::vector<Nest> nests, const std::set<Tensor>& needed, int64_t enough_points)
      : nests_(std::move(nests)), needed_(needed), enough_points_(enough_points) {
    for (size_t i = 0; i < nests_.size(); ++i) {
      for (const Tensor& tensor : tensors_read(nests_[i].body)) readers_[tensor].push_back(i);
      flops_.push_back(flops_per_point(nests_[i]));
    }
  }

  std::vector<KernelGroup> run() {
    for (size_t i = 0; i < nests_.size(); ++i) add(i);
    return groups();
  }

 private:
  void add(size_t i) {
    Cluster cluster;
    cluster.nests = {i};
    cluster.before = cluster.after = BitSet(nests_.size());
    cluster.alone = find_scatter(nests_[i]) || find_scan(nests_[i]);
    const std::optional<Contraction> contraction = find_contraction(nests_[i]);
    cluster.contraction = contraction && worth_tiling(*contraction);
    const std::vector<Tensor> reads = tensors_read(nests_[i].body);
    std::vector<size_t> candidates;
    for (const Tensor& tensor : reads) {
      const auto it = writer_.find(tensor);
      if (it == writer_.end()) continue;
      const size_t producer = cluster_of_[it->second];
      candidates.push_back(producer);
      cluster.before.add(producer);
      cluster.before.add_all(clusters_[producer].before);
    }
    for (size_t c = 0; c < clusters_.size(); ++c)
      if (cluster.before.has(c)) clusters_[c].after.add(clusters_.size());
    std::sort(candidates.rbegin(), candidates.rend());
    for (const Tensor& tensor : reads) add_siblings(i, tensor, candidates);
    writer_.emplace(nests_[i].out, i);
    cluster_of_.push_back(clusters_.size());
    clusters_.push_back(std::move(cluster));
    for (size_t candidate : candidates) {
      const size_t mine = cluster_of_[i];
      if (candidate == mine || !clusters_[candidate].alive) continue;
      if (may_merge(candidate, mine)) merge(candidate, mine);
    }
  }

  // Clusters that read the same tensor: read once, it serves both.
  void add_siblings(size_t i, const Tensor& tensor, std::vector<size_t>& candidates) const {
    size_t found = 0;
    const std::vector<size_t>& readers = readers_.at(tensor);
    for (auto it = readers.rbegin(); it != readers.rend() && found < kMostSiblings; ++it) {
      if (*it >= i) continue;
      ++found;
      if (std::find(candidates.begin(), candidates.end(), cluster_of_[*it]) == candidates.end())
        candidates.push_back(cluster_of_[*it]);
    }
  }

  // Is there a way from one to the other through a third?
  bool has_detour(size_t a, size_t b) const {
    return clusters_[a].after.meets(clusters_[b].before) ||
           clusters_[b].after.meets(clusters_[a].before);
  }

  std::vector<Nest> nests_in(const std::vector<size_t>& positions) const {
    std::vector<Nest> result;
    for (size_t i : positions) result.push_back(nests_[i]);
    return result;
  }

  bool may_merge(size_t a, size_t b) const {
    const Cluster& x = clusters_[a];
    const Cluster& y = clusters_[b];
    if (x.alone || y.alone || y.contraction) return false;
    if (x.nests.size() + y.nests.size() > kMostNests) return false;
    std::vector<size_t> all = x.nests;
    all.insert(all.end(), y.nests.begin(), y.nests.end());
    double flops = 0;  // the length of the kernel
    for (size_t i : all) flops += flops_[i];
    if (flops > kMostWork || has_detour(a, b)) return false;
    std::sort(all.begin(), all.end());
    const std::vector<Nest> nests = nests_in(all);
    if (x.contraction) return !nests_[y.nests[0]].op && is_epilogue(nests);
    return loops_fit(nests) && pays(x, y, nests);
  }

  bool is_epilogue(const std::vector<Nest>& nests) const {
    const Dims& dims = nests[0].out.dims();
    for (const Nest& nest : nests)
      if (!same_set(nest.out.dims(), dims)) return false;
    return find_contraction(make_group(nests, needed_by_others(nests))).has_value();
  }

  // At one point of its loops.
  static double flops_per_point(const Nest& nest) {
    double points = 1;
    for (const Dim& dim : nest.loops()) points *= static_cast<double>(dim.extent());
    return points > 0 ? flops_of(nest) / points : 0;
  }

  static bool loops_fit(const std::vector<Nest>& nests) {
    Dims dims;
    for (const Nest& nest : nests) dims = unite(dims, sorted(nest.loops()));
    return dims.size() <= static_cast<size_t>(kMaxLoops);
  }

  bool pays(const Cluster& x, const Cluster& y, const std::vector<Nest>& nests) const {
    const Dims shared = shared_dims(nests);
    const Dims first = shared_dims(nests_in(x.nests));
    const Dims second = shared_dims(nests_in(y.nests));
    if (shared == first && shared == second && one_stage(nests)) return true;
    int64_t points = 0;
    for (const Nest& nest : nests) points += volume(nest.loops());
    if (points <= kTinyPoints) return true;
    const int64_t enough = std::min(std::max(pieces_to_share(nests_in(x.nests), first),
                                             pieces_to_share(nests_in(y.nests), second)),
                                    enough_points_);
    if (pieces_to_share(nests, shared) < enough) return false;
    return stays_in_cache(nests, shared);
  }

  static bool one_stage(const std::vector<Nest>& nests) {
    return plan_stages(nests).stages.size() == 1;
  }

  void merge(size_t a, size_t b) {
    Cluster& into = clusters_[a];
    Cluster& from = clusters_[b];
    for (size_t n : from.nests) cluster_of_[n] = a;
    into.nests.insert(into.nests.end(), from.nests.begin(), from.nests.end());
    std::sort(into.nests.begin(), into.nests.end());
    from.alive = false;
    join(a, b, &Cluster::before, &Cluster::after);
    join(a, b, &Cluster::after, &Cluster::before);
  }

  // What was on one side of b is now on that side of a; those on the other side see it there.
  void join(size_t a, size_t b, BitSet Cluster::*side, BitSet Cluster::*other) {
    BitSet& both = clusters_[a].*side;
    both.add_all(clusters_[b].*side);
    both.remove(a);
    both.remove(b);
    const BitSet& across_a = clusters_[a].*other;
    const BitSet& across_b = clusters_[b].*other;
    for (size_t c = 0; c < clusters_.size(); ++c) {
      if (c == a || c == b || (!across_a.has(c) && !across_b.has(c))) continue;
      BitSet& seen = clusters_[c].*side;
      seen.remove(b);
      seen.add(a);
      seen.add_all(both);
    }
  }

  // The tensors that these nests write and others, or the outside, read.
  std::set<Tensor> needed_by_others(const std::vector<Nest>& nests) const {
    std::set<Tensor> written;
    for (const Nest& nest : nests) written.insert(nest.out);
    std::set<Tensor> needed;
    for (const Tensor& tensor : written) {
      if (needed_.count(tensor) != 0) needed.insert(tensor);
      const auto it = readers_.find(tensor);
      if (it == readers_.end()) continue;
      for (size_t reader : it->second)
        if (written.count(nests_[reader].out) == 0) needed.insert(tensor);
    }
    return needed;
  }

  // In an order in which each cluster follows those it depends on, as near to the nests' as can be.
  std::vector<KernelGroup> groups() const {
    std::vector<size_t> waiting;
    BitSet still(clusters_.size());
    for (size_t c = 0; c < clusters_.size(); ++c) {
      if (!clusters_[c].alive) continue;
      waiting.push_back(c);
      still.add(c);
    }
    std::vector<KernelGroup> result;
    while (!waiting.empty()) {
      const auto ready = std::find_if(waiting.begin(), waiting.end(),
                                      [&](size_t c) { return !clusters_[c].before.meets(still); });
      const std::vector<Nest> nests = nests_in(clusters_[*ready].nests);
      result.push_back(make_group(nests, needed_by_others(nests)));
      still.remove(*ready);
      waiting.erase(ready);
    }
    return result;
  }

  std::vector<Nest> nests_;
  const std::set<Tensor>& needed_;
  int64_t enough_points_;      // of common loops
  std::vector<double> flops_;  // by nest, of one point
  std::map<Tensor, std::vector<size_t>> readers_;
  std::map<Tensor, size_t> writer_;
  std::vector<size_t> cluster_of_;  // by nest
  std::vector<Cluster> clusters_;
};

// Each as it is built: what runs as one loop nest keeps what its stages share.
std::vector<KernelGroup> with_shared_work(std::vector<KernelGroup> groups) {
  for (KernelGroup& group : groups) {
    if (!runs_as_loop_nest(group)) continue;
    group = make_group(share_work(group.nests), {group.outputs.begin(), group.outputs.end()});
  }
  return groups;
}

}  // namespace

std::vector<KernelGroup> fuse(const std::vector<Nest>& nests,
                              const std::set<Tensor>& needed_outside, const BlockLimits& limits) {
  std::vector<Nest> solved;
  for (const Nest& nest : nests) solved.push_back(solve_guards(nest));
  const std::vector<Nest> inlined = with_padded_copies(inline_maps(solved, needed_outside));
  const std::vector<Nest> left = in_partial_reductions(split_reductions(inlined, limits.least));
  const std::vector<KernelGroup> groups =
      join_groups(Fuser(left, needed_outside, kEnoughPoints).run(), needed_outside, limits);
  return with_shared_work(cut_groups(groups, vectors_of(CpuLevel::host)));
}

std::vector<KernelGroup> fuse_parts(const std::vector<Nest>& nests,
                                    const std::set<Tensor>& needed_outside) {
  return with_shared_work(Fuser(nests, needed_outside, 1).run());
}

}  // namespace tessera
