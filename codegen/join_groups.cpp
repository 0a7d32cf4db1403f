#include "codegen/join_groups.h"

#include <algorithm>
#include <functional>
#include <map>

#include "codegen/blocked_group.h"
#include "codegen/contraction.h"
#include "codegen/contraction_schedule.h"
#include "codegen/group_graph.h"
#include "codegen/machine.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr size_t kMostNests = 200;  // of a group
// Rates good enough to tell a gain from a loss.
constexpr double kBytesPerSecond = 1e10;
constexpr double kSecondsPerCycle = 2e-10;
constexpr double kBytesOfAJump = 1024;
constexpr int64_t kEnoughPoints = 8;  // to share between threads
constexpr double kLeastShare = 0.5;   // of what is written
constexpr double kMoreMemory = 1.02;  // of the peak, that joining may take

// Bytes of a view that lie side by side.
double run_of(const Tensor& view) {
  const std::vector<int64_t> strides = view.strides();
  int64_t elements = 1;
  for (size_t i = strides.size(); i-- > 0;) {
    if (view.dims()[i].extent() == 1) continue;
    if (strides[i] != elements) break;
    elements *= view.dims()[i].extent();
  }
  return static_cast<double>(elements) * static_cast<double>(size_of(view.type()));
}

// Does the group compute something and, to save memory meanwhile, compute it again? As one kernel
// it would do both at once.
bool computes_twice(const KernelGroup& group) {
  std::multimap<uint64_t, Nest> known;
  for (const Nest& nest : group.nests) {
    const uint64_t hash = structure_hash(nest.body);
    const auto [begin, end] = known.equal_range(hash);
    for (auto it = begin; it != end; ++it) {
      const Nest& other = it->second;
      if (other.op == nest.op && other.reduced == nest.reduced &&
          other.out.dims() == nest.out.dims() && equivalent(other.body, nest.body))
        return true;
    }
    known.emplace(hash, nest);
  }
  return false;
}

// Of a group that is a contraction, and worth being tiled as one; 0 otherwise.
double cycles_of(const KernelGroup& group, const std::function<void(ContractionGroup&)>& prepare) {
  std::optional<ContractionGroup> contraction = find_contraction(group);
  if (!contraction || !worth_tiling(contraction->contraction)) return 0;
  prepare(*contraction);
  return plan_contraction(*contraction, vectors_of(CpuLevel::host)).schedule.cycles;
}

struct TileCost {
  size_t contractions = 0;
  double cycles = 0;

  void add(double more) {
    contractions += more > 0 ? 1 : 0;
    cycles += more;
  }
};

TileCost cost_of(const BlockedGroup& blocked) {
  TileCost cost;
  for (const BlockPart& part : blocked.variants[0].parts)
    cost.add(cycles_of(part.group, [&](ContractionGroup& contraction) {
      set_stays(contraction, blocked, part, true);
    }));
  for (const BlockWalk& walk : blocked.walks) cost.cycles *= static_cast<double>(walk.trips());
  return cost;
}

class Joiner {
 public:
  Joiner(std::vector<KernelGroup> groups, const std::set<Tensor>& needed, const BlockLimits& limits)
      : graph_(std::move(groups), needed), needed_(needed), limits_(limits) {}

  std::vector<KernelGroup> run() {
    std::vector<Tensor> large;
    for (const Tensor& tensor : graph_.passed())
      if (needed_.count(tensor) == 0 && bytes_of(tensor) >= limits_.least) large.push_back(tensor);
    std::stable_sort(large.begin(), large.end(),
                     [](const Tensor& a, const Tensor& b) { return bytes_of(a) > bytes_of(b); });
    for (const Tensor& tensor : large) {
      const size_t writer = graph_.writer_of(tensor);
      const std::vector<size_t>& readers = graph_.readers_of(tensor);
      if (try_join(writer, readers)) continue;
      // Not all of them: the tensor is kept, but read from memory less often.
      for (size_t reader : readers) try_join(writer, {reader});
    }
    std::vector<KernelGroup> result;
    for (const std::vector<size_t>& members : graph_.order())
      result.push_back(graph_.joined(members));
    return result;
  }

 private:
  bool try_join(size_t writer, const std::vector<size_t>& readers) {
    std::set<size_t> sets = {graph_.set_of(writer)};
    for (size_t reader : readers) sets.insert(graph_.set_of(reader));
    if (sets.size() == 1) return true;
    graph_.add_between(sets);
    if (!pays(graph_.members_of(sets))) return false;
    GroupGraph next = graph_;
    next.join(sets);
    // What is computed together is there together: a copy that gradients compute again late, to
    // save memory, must not come early.
    if (next.peak_bytes() > kMoreMemory * graph_.peak_bytes()) return false;
    graph_ = std::move(next);
    return true;
  }

  // What then need not be written, or read again.
  double saved_bytes(const std::vector<size_t>& members) const {
    double saved = 0;
    for (size_t g : members) {
      for (const Tensor& tensor : graph_.groups()[g].outputs) {
        if (!graph_.is_read_outside(tensor, members)) saved += bytes_of(tensor);
        if (graph_.passed().count(tensor) == 0) continue;
        for (size_t reader : graph_.readers_of(tensor))
          if (std::find(members.begin(), members.end(), reader) != members.end())
            saved += bytes_of(tensor);
      }
    }
    return saved;
  }

  // Of what these groups write and need no more, against what they still write as one.
  double vanishing_share(const KernelGroup& group, const std::vector<size_t>& members) const {
    double vanishing = 0, written = 0;
    for (const Tensor& tensor : group.outputs) written += bytes_of(tensor);
    for (size_t g : members)
      for (const Tensor& tensor : graph_.groups()[g].outputs)
        if (!graph_.is_read_outside(tensor, members)) vanishing += bytes_of(tensor);
    return vanishing / std::max(1.0, written);
  }

  // What could be read or written in the time that it takes to go on elsewhere, where blocks of
  // large arguments lie in short pieces of memory.
  double wasted_bytes(const BlockedGroup& blocked) const {
    double wasted = 0;
    for (const BlockPart& part : blocked.variants[0].parts)
      for (const std::vector<Tensor>* tensors : {&part.group.inputs, &part.group.outputs})
        for (size_t i = 0; i < tensors->size(); ++i) {
          const size_t at = i + (tensors == &part.group.outputs ? part.group.inputs.size() : 0);
          if (part.arguments[at].kind != BlockArgument::Kind::argument) continue;
          const Tensor& view = (*tensors)[i];
          double bytes = bytes_of(view);
          // What stays where it is while inner dims are walked stays in caches, too.
          const std::vector<int64_t>& steps = part.arguments[at].steps;
          size_t moving = steps.size();
          while (moving > 0 && steps[moving - 1] == 0) --moving;
          for (size_t w = 0; w < moving; ++w)
            bytes *= static_cast<double>(blocked.walks[w].trips());
          if (bytes >= limits_.least) wasted += bytes * kBytesOfAJump / run_of(view);
        }
    return wasted;
  }

  bool pays(const std::vector<size_t>& members) const {
    const KernelGroup group = graph_.joined(members);
    if (group.nests.size() > kMostNests || computes_twice(group)) return false;
    const std::optional<std::vector<BlockWalk>> walks = plan_walks(group, limits_);
    if (!walks) return false;
    if (limits_.always) return true;
    TileCost whole;
    for (size_t g : members) whole.add(cycles_of(graph_.groups()[g], [](ContractionGroup&) {}));
    const BlockedGroup blocked = make_blocks(group, *walks);
    if (blocked.points() < kEnoughPoints || vanishing_share(group, members) < kLeastShare)
      return false;
    const TileCost blocks = cost_of(blocked);
    if (blocks.contractions < whole.contractions) return false;  // too small for tiles
    return (blocks.cycles - whole.cycles) * kSecondsPerCycle <
           (saved_bytes(members) - wasted_bytes(blocked)) / kBytesPerSecond;
  }

  GroupGraph graph_;
  const std::set<Tensor>& needed_;
  BlockLimits limits_;
};

}  // namespace

std::vector<KernelGroup> join_groups(std::vector<KernelGroup> groups,
                                     const std::set<Tensor>& needed_outside,
                                     const BlockLimits& limits) {
  return Joiner(std::move(groups), needed_outside, limits).run();
}

}  // namespace tessera
