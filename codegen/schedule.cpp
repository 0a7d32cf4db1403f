#include "codegen/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "codegen/loop_order.h"
#include "codegen/make_cheaper.h"
#include "codegen/schedule_model.h"
#include "codegen/transposed_loads.h"
#include "codegen/written_out.h"

namespace tessera {
namespace {

constexpr double kSecondsPerInstruction = 0.25e-9;
constexpr double kSecondsPerByte = 0.08e-9;
constexpr double kChunkSeconds = 20e-6;
constexpr int64_t kMostChunks = 1024;
constexpr int64_t kStrip = 8;           // streams of memory that processors follow at once
constexpr int64_t kFarBytes = 1 << 20;  // of an argument that no second-level cache holds
constexpr int64_t kFarStep = 1024;
constexpr size_t kStripBytes = 24 << 10;

bool has(const std::vector<int>& loops, int loop) {
  return std::find(loops.begin(), loops.end(), loop) != loops.end();
}

struct Choice {
  double cost = std::numeric_limits<double>::infinity();
  int lane = -1;
};

// The cheapest lane loop of a stage among `candidates` and none.
Choice best_lane(const LoopNest& nest, const Stage& stage, const StageUse& use,
                 const std::vector<int>& candidates, const ScheduleTarget& target) {
  Choice best{cost_of(nest, stage, use, -1, target), -1};
  for (int loop : candidates) {
    const double cost = cost_of(nest, stage, use, loop, target);
    if (cost < best.cost) best = {cost, loop};
  }
  return best;
}

// Chooses between one shared lane loop and a lane loop for each stage.
void choose_lanes(LoopNest& nest, const ScheduleTarget& target) {
  std::vector<StageUse> uses;
  std::vector<Choice> own;
  double own_cost = 0;
  for (const Stage& stage : nest.stages) {
    uses.push_back(use_of(nest, stage));
    own.push_back(best_lane(nest, stage, uses.back(), lane_loops_of(stage), target));
    own_cost += own.back().cost;
  }
  Choice shared{own_cost, -1};
  for (int loop : nest.shared) {
    double cost = 0;
    for (size_t s = 0; s < nest.stages.size(); ++s)
      cost += lanes_may_share(nest, nest.stages[s], loop)
                  ? cost_of(nest, nest.stages[s], uses[s], loop, target)
                  : std::numeric_limits<double>::infinity();
    if (cost < shared.cost) shared = {cost, loop};
  }
  nest.lane = shared.lane;
  nest.lanes = 1;
  if (shared.lane >= 0) {
    nest.lanes = 1 << 30;
    for (size_t s = 0; s < nest.stages.size(); ++s)
      nest.lanes =
          std::min(nest.lanes, lanes_for(nest, nest.stages[s], uses[s], nest.lane, target));
  }
  for (size_t s = 0; s < nest.stages.size(); ++s) {
    Stage& stage = nest.stages[s];
    stage.lane = nest.lane >= 0 ? nest.lane : own[s].lane;
    stage.lanes = nest.lane >= 0 ? nest.lanes : lanes_for(nest, stage, uses[s], stage.lane, target);
  }
}

// Do the lanes read large arguments that go on far away at each step of the reduced loops? Then
// neighbouring points read together what lies between (LoopNest::strip).
bool wants_strips(const LoopNest& nest) {
  if (nest.stages.size() != 1 || nest.lane < 0) return false;
  const Stage& stage = nest.stages[0];
  if (stage.reductions.empty() || stage.reduced.empty() || stage.scan || stage.scatters ||
      !stage.free.empty() || !stage.inner.empty())
    return false;
  const int outermost = stage.reduced[0];
  if (nest.loops[static_cast<size_t>(outermost)].extent < 2 * kStrip) return false;
  int64_t terms = kStrip;  // of a strip, which are added up one after the other
  for (size_t i = 1; i < stage.reduced.size(); ++i)
    terms *= nest.loops[static_cast<size_t>(stage.reduced[i])].extent;
  if (terms == 0 || terms > kPlainTerms) return false;
  for (const int n : use_of(nest, stage).nodes) {
    const Node& node = nest.nodes[static_cast<size_t>(n)];
    if (node.kind != Node::Kind::load) continue;
    const NestBuffer& buffer = nest.buffers[static_cast<size_t>(node.address.buffer)];
    const auto element = static_cast<int64_t>(size_of(buffer.type));
    if (buffer.argument < 0 || buffer.elements * element < kFarBytes) continue;
    const auto step = step_of(nest, node.address, outermost);
    if (step && std::abs(*step) * element >= kFarStep &&
        step_of(nest, node.address, nest.lane) == std::optional<int64_t>(1))
      return true;
  }
  return false;
}

// As few chunks as the workers need, whose running values stay in the first cache.
void choose_strips(LoopNest& nest, const ScheduleTarget& target) {
  nest.strip = 0;
  if (!wants_strips(nest)) return;
  nest.strip = kStrip;
  nest.points = 1;
  for (const int loop : nest.shared) nest.points *= nest.trips(loop);
  nest.collapsed = static_cast<int>(nest.shared.size());
  const int64_t workers = std::max(1, target.workers);
  const auto most = static_cast<int64_t>(kStripBytes / nest.strip_bytes());
  nest.grain =
      std::clamp<int64_t>((nest.points + workers - 1) / workers, 1, std::max<int64_t>(1, most));
  nest.chunks = (nest.points + nest.grain - 1) / nest.grain;
}

// Which loads are transposed, and the chunks. With `grain` 0, they take about kChunkSeconds.
void choose_chunks(LoopNest& nest, double seconds, const ScheduleTarget& target, int64_t grain) {
  const int64_t wanted = int64_t{16} * std::max(1, target.workers);
  for (Stage& stage : nest.stages)
    stage.transposed = transposed_loads(nest, stage, target.vectors.vector_bytes);
  // A loop that loads or stores run along stays a loop.
  const bool alone = nest.stages.size() == 1 && nest.stages[0].free.empty() &&
                     nest.stages[0].reduced.empty() && !nest.stages[0].transposed.empty();
  const TransposedStores stored = transposed_stores(nest);
  const int along = stored.loop >= 0 ? stored.loop
                    : alone          ? innermost_loop(nest, nest.stages[0])
                                     : -1;
  nest.points = 1;
  nest.collapsed = 0;
  for (int loop : nest.shared) {
    if (nest.points >= wanted || nest.points == 0 || loop == along) break;
    nest.points *= nest.trips(loop);
    ++nest.collapsed;
  }
  for (int loop : nest.shared)
    if (nest.loops[static_cast<size_t>(loop)].extent == 0) nest.points = 0;
  if (nest.points == 0) {
    nest.chunks = 0;
    return;
  }
  const double each = seconds / static_cast<double>(nest.points);
  nest.grain = grain > 0  ? grain
               : each > 0 ? static_cast<int64_t>(std::ceil(std::min(kChunkSeconds / each, 1e15)))
                          : nest.points;
  nest.grain = std::max(nest.grain, (nest.points + kMostChunks - 1) / kMostChunks);
  nest.grain = std::clamp<int64_t>(nest.grain, 1, nest.points);
  nest.chunks = (nest.points + nest.grain - 1) / nest.grain;
}

void place_scratch(LoopNest& nest) {
  size_t offset = 0;
  for (NestBuffer& buffer : nest.buffers) {
    if (buffer.argument >= 0) continue;
    buffer.per_lane = nest.lane >= 0;
    buffer.scratch_offset = offset;
    const size_t lanes = buffer.per_lane ? static_cast<size_t>(nest.lanes) : 1;
    const size_t bytes = static_cast<size_t>(buffer.elements) * lanes * size_of(buffer.type);
    offset += (bytes + 63) / 64 * 64;
  }
  nest.strip_offset = offset;
  nest.scratch_bytes = offset + nest.strip_bytes() * static_cast<size_t>(nest.grain);
}

double seconds_of(const LoopNest& nest, double instructions) {
  return std::max(instructions * kSecondsPerInstruction, nest.argument_bytes() * kSecondsPerByte);
}

constexpr int kMostLanes = 256;

bool is_order_of(const std::vector<int>& order, const std::vector<int>& loops) {
  return order.size() == loops.size() &&
         std::is_permutation(order.begin(), order.end(), loops.begin());
}

bool are_lanes(int lane, int lanes) {
  return lane < 0 ? lane == -1 && lanes == 1
                  : lanes >= 1 && lanes <= kMostLanes && (lanes & (lanes - 1)) == 0;
}

bool fits(const LoopNest& nest, const LoopChoice& choice) {
  if (!is_order_of(choice.shared, nest.shared) || choice.stages.size() != nest.stages.size() ||
      !are_lanes(choice.lane, choice.lanes) || choice.grain < 0)
    return false;
  if (choice.lane >= 0 && !has(nest.shared, choice.lane)) return false;
  for (size_t s = 0; s < nest.stages.size(); ++s) {
    const Stage& stage = nest.stages[s];
    const StageChoice& chosen = choice.stages[s];
    if (!is_order_of(chosen.free, stage.free) || !is_order_of(chosen.reduced, stage.reduced) ||
        !are_lanes(chosen.lane, chosen.lanes))
      return false;
    const bool lane_fits = choice.lane >= 0
                               ? chosen.lane == choice.lane && chosen.lanes == choice.lanes &&
                                     lanes_may_share(nest, stage, choice.lane)
                               : chosen.lane < 0 || has(lane_loops_of(stage), chosen.lane);
    if (!lane_fits) return false;
  }
  return true;
}

}  // namespace

void schedule(LoopNest& nest, const ScheduleTarget& target) {
  choose_lanes(nest, target);
  order_loops(nest);
  if (!wants_strips(nest)) make_cheaper(nest, target);
  choose_chunks(nest, predicted_seconds(nest, target), target, 0);
  choose_strips(nest, target);
  place_scratch(nest);
}

bool schedule(LoopNest& nest, const ScheduleTarget& target, const LoopChoice& choice) {
  if (nest.stages.size() == 1 && choice.stages.size() == 1 && choice.stages[0].reduced.empty())
    if (std::optional<LoopNest> map = written_out(nest)) nest = std::move(*map);
  if (!fits(nest, choice)) return false;
  take(nest, choice);
  choose_chunks(nest, predicted_seconds(nest, target), target, choice.grain);
  choose_strips(nest, target);
  place_scratch(nest);
  return true;
}

double predicted_seconds(const LoopNest& nest, const ScheduleTarget& target) {
  double instructions = 0;
  for (const Stage& stage : nest.stages)
    instructions += cost_of(nest, stage, use_of(nest, stage), stage.lane, target);
  return seconds_of(nest, instructions);
}

}  // namespace tessera
