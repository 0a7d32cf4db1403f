#include "codegen/schedule_model.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "codegen/lane_places.h"
#include "codegen/transposed_loads.h"

namespace tessera {
namespace {

constexpr double kGather = 1.5;       // a lane of a load that is not contiguous
constexpr double kScatter = 2.0;      // and of such a store
constexpr double kPermuted = 2;       // a register that is loaded and permuted
constexpr double kTransposed = 0.5;   // a lane that is read along another loop and transposed
constexpr double kShortRow = 4;       // the same of rows of so many steps costs twice that
constexpr double kFold = 8;           // combining the lanes of one vector
constexpr double kKeep = 8;           // what a scan does at a step besides combining
constexpr double kUniformLoad = 0.5;  // a load that all lanes share

void collect(const LoopNest& nest, int node, std::set<int>& seen) {
  if (!seen.insert(node).second) return;
  const Node& n = nest.nodes[static_cast<size_t>(node)];
  for (int arg : n.args) collect(nest, arg, seen);
  for (const auto& [term, stride] : n.address.terms) collect(nest, term, seen);
  for (const Guard& guard : n.address.guards)
    if (guard.node >= 0) collect(nest, guard.node, seen);
}

void collect(const LoopNest& nest, const std::vector<Store>& stores, std::set<int>& seen) {
  for (const Store& store : stores) {
    collect(nest, store.node, seen);
    for (const auto& [term, stride] : store.address.terms) collect(nest, term, seen);
    for (const Guard& guard : store.address.guards)
      if (guard.node >= 0) collect(nest, guard.node, seen);
  }
}

double trips(const LoopNest& nest, const std::vector<int>& loops, uint64_t mask) {
  double product = 1;
  for (int loop : loops)
    if ((mask >> loop & 1) != 0)
      product *= static_cast<double>(nest.loops[static_cast<size_t>(loop)].extent);
  return product;
}

// How many times the stage evaluates something that depends on the loops of `mask`. The loops of a
// scan run together.
double evaluations(const LoopNest& nest, const Stage& stage, uint64_t mask) {
  const double steps = stage.scan ? std::max(trips(nest, {stage.scan->in}, mask),
                                             trips(nest, {stage.scan->out}, mask))
                                  : trips(nest, stage.reduced, mask);
  return trips(nest, nest.shared, mask) * trips(nest, stage.free, mask) * steps;
}

uint64_t mask_of(const std::vector<int>& loops) {
  uint64_t mask = 0;
  for (int loop : loops) mask |= uint64_t{1} << loop;
  return mask;
}

double work_of(const Node& node) {
  if (node.kind == Node::Kind::apply) return std::max(1.0, info(node.fn).flops);
  return 0;
}

// Instructions for one element of an access, given the share of useful lanes.
double access_cost(const LoopNest& nest, const Address& address, int lane, double per_vector,
                   double apart, int width, bool reads) {
  if (lane < 0) return 1;
  const bool scratch = nest.buffers[static_cast<size_t>(address.buffer)].argument < 0;
  const bool shared = std::find(nest.shared.begin(), nest.shared.end(), lane) != nest.shared.end();
  if (scratch && shared) return per_vector;
  const std::optional<std::vector<int64_t>> places = lane_places(nest, address, lane, width);
  if (!places) return apart;
  const auto is_step = [&](int64_t by) {
    for (size_t l = 0; l < places->size(); ++l)
      if ((*places)[l] != by * static_cast<int64_t>(l)) return false;
    return true;
  };
  if (is_step(1)) return per_vector;
  if (is_step(0)) return per_vector * kUniformLoad;
  const int64_t registers = registers_of(*places, width);
  if (!reads || registers > kMostNearRegisters) return apart;
  return std::min(apart, per_vector * kPermuted * static_cast<double>(registers));
}

}  // namespace

namespace {

// A lane of a load that is not contiguous: gathered, or transposed where the schedule can run a
// loop innermost along which it lies.
double apart_cost(const LoopNest& nest, const Stage& stage, const Address& address, int lane) {
  if (lane < 0 || stage.scan) return kGather;
  std::vector<int> loops = stage.reduced;
  if (loops.empty()) {
    loops = stage.free;
    if (nest.stages.size() == 1) loops.insert(loops.end(), nest.shared.begin(), nest.shared.end());
  }
  if (!stage.reduced.empty() && std::count(loops.begin(), loops.end(), lane) != 0) return kGather;
  double best = kGather;
  for (const int loop : loops)
    if (lies_along(nest, address, lane, loop)) {
      const auto extent = static_cast<double>(nest.loops[static_cast<size_t>(loop)].extent);
      best = std::min(best, kTransposed * (1 + kShortRow / extent));
    }
  return best;
}

// The same of a store: scattered, or in rows along the loop that may run innermost.
double apart_store_cost(const LoopNest& nest, const Stage& stage, const Address& address,
                        int lane) {
  if (lane < 0 || stage.scan || stage.scatters || nest.stages.size() != 1) return kScatter;
  if (std::count(stage.reduced.begin(), stage.reduced.end(), lane) != 0) return kScatter;
  double best = kScatter;
  for (const int loop : !stage.free.empty() ? stage.free : nest.shared)
    if (lies_along(nest, address, lane, loop)) {
      const auto extent = static_cast<double>(nest.loops[static_cast<size_t>(loop)].extent);
      best = std::min(best, kTransposed * (1 + kShortRow / extent));
    }
  return best;
}

}  // namespace

StageUse use_of(const LoopNest& nest, const Stage& stage) {
  std::set<int> seen;
  collect(nest, stage.inner, seen);
  collect(nest, stage.outer, seen);
  for (int r : stage.reductions) collect(nest, nest.reductions[static_cast<size_t>(r)].node, seen);
  StageUse use;
  use.nodes.assign(seen.begin(), seen.end());
  int float_bytes = 0;
  int int_bytes = 0;
  for (int n : use.nodes) {
    const Node& node = nest.nodes[static_cast<size_t>(n)];
    const int bytes = static_cast<int>(size_of(sum_type(node.type)));  // in registers
    if (is_float(node.type)) float_bytes = std::max(float_bytes, bytes);
    if (is_integer(node.type)) int_bytes = std::max(int_bytes, bytes);
    use.work += work_of(node);
  }
  use.element_bytes = float_bytes != 0 ? float_bytes : int_bytes != 0 ? int_bytes : 4;
  return use;
}

std::vector<const Address*> addresses_of(const LoopNest& nest, const Stage& stage,
                                         const StageUse& use) {
  std::vector<const Address*> addresses;
  for (int n : use.nodes) {
    const Node& node = nest.nodes[static_cast<size_t>(n)];
    if (node.kind == Node::Kind::load) addresses.push_back(&node.address);
  }
  for (const Store& store : stage.inner) {
    addresses.push_back(&store.address);
    if (store.lost) addresses.push_back(&*store.lost);
  }
  for (const Store& store : stage.outer) addresses.push_back(&store.address);
  return addresses;
}

std::optional<int64_t> step_of(const LoopNest& nest, const Address& address, int loop) {
  for (const auto& [term, stride] : address.terms)
    if ((nest.nodes[static_cast<size_t>(term)].loops >> loop & 1) != 0) return std::nullopt;
  return address.affine.coefficient(loop);
}

std::vector<int> lane_loops_of(const Stage& stage) {
  std::vector<int> loops = stage.free;
  // Lanes that add to the same place would lose additions.
  if (!stage.scatters) loops.insert(loops.end(), stage.reduced.begin(), stage.reduced.end());
  if (stage.scan) loops.push_back(stage.scan->in);
  return loops;
}

bool lanes_may_share(const LoopNest& nest, const Stage& stage, int loop) {
  if (!stage.scatters) return true;
  for (const Store& store : stage.inner)
    if (!step_of(nest, store.address, loop)) return false;
  return true;
}

double cost_of(const LoopNest& nest, const Stage& stage, const StageUse& use, int lane,
               const ScheduleTarget& target) {
  const auto extent =
      lane < 0 ? 1.0 : static_cast<double>(nest.loops[static_cast<size_t>(lane)].extent);
  const double width = static_cast<double>(target.vectors.vector_bytes) / use.element_bytes;
  // One vector instruction serves this many useful elements.
  const int lanes = std::max(1, static_cast<int>(width));
  const double useful = lane < 0 || extent == 0 ? 1 : extent / std::ceil(extent / width);
  double cost = 0;
  for (int n : use.nodes) {
    const Node& node = nest.nodes[static_cast<size_t>(n)];
    const bool varies = lane >= 0 && (node.loops >> lane & 1) != 0;
    const double count = evaluations(nest, stage, node.loops);
    if (node.kind == Node::Kind::load)
      cost += count * access_cost(nest, node.address, varies ? lane : -1, 1 / useful,
                                  apart_cost(nest, stage, node.address, lane), lanes, true);
    else
      cost += count * work_of(node) / (varies ? useful : 1);
  }
  const uint64_t shared = mask_of(nest.shared);
  uint64_t outer = shared | mask_of(stage.free);
  if (stage.scan) outer |= mask_of({stage.scan->out});
  const uint64_t inner = outer | mask_of(stage.reduced);
  for (const Store& store : stage.inner)
    cost += evaluations(nest, stage, inner) *
            access_cost(nest, store.address, lane, 1 / useful,
                        apart_store_cost(nest, stage, store.address, lane), lanes, false);
  const bool over_reduced = std::count(stage.reduced.begin(), stage.reduced.end(), lane) != 0;
  const bool along_scan = stage.scan && lane == stage.scan->in;
  const int out_lane = over_reduced ? -1 : along_scan ? stage.scan->out : lane;
  for (const Store& store : stage.outer)
    cost += evaluations(nest, stage, outer) *
            access_cost(nest, store.address, out_lane, 1 / useful,
                        apart_store_cost(nest, stage, store.address, out_lane), lanes, false);
  const auto reductions = static_cast<double>(stage.reductions.size());
  // Running values within a vector are made by doubling, with two instructions each time.
  double steps = stage.scan ? 1 + kKeep : 1;
  if (along_scan) steps += 2 * std::ceil(std::log2(std::max(1.0, useful)));
  cost += reductions * evaluations(nest, stage, inner) * steps / useful;
  if (over_reduced) cost += reductions * evaluations(nest, stage, outer) * kFold;
  return cost;
}

int lanes_for(const LoopNest& nest, const Stage& stage, const StageUse& use, int lane,
              const ScheduleTarget& target) {
  if (lane < 0) return 1;
  const int64_t extent = nest.loops[static_cast<size_t>(lane)].extent;
  const int width = std::max(1, target.vectors.vector_bytes / use.element_bytes);
  int lanes = 1;
  while (lanes < width && lanes < extent) lanes *= 2;
  if (lanes < width) return lanes;
  // More registers hide latency while they last; the tail should not waste much.
  const double parallel = use.work > 60 ? 2 : 4;
  const auto accumulators = std::max<double>(1, static_cast<double>(stage.reductions.size()));
  const double registers = std::min(parallel, std::max(1.0, 8 / accumulators));
  const auto padded = [&](int64_t step) { return (extent + step - 1) / step * step; };
  for (int factor = 2; factor <= registers; factor *= 2)
    if (padded(int64_t{width} * factor) * 4 <= padded(width) * 5) lanes = width * factor;
  return lanes;
}

}  // namespace tessera
