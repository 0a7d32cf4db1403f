#include "codegen/gpu/gpu_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "codegen/loop_order.h"
#include "codegen/schedule_model.h"

namespace tessera {
namespace {

constexpr int kThreads = 256;               // of a block
constexpr int64_t kBusyThreads = 64 << 10;  // that keep a GPU busy
constexpr int64_t kStepsEach = 4;           // reduced points that are worth a thread

int power_up_to(int64_t limit, int64_t most) {
  return static_cast<int>(
      std::bit_floor(static_cast<uint64_t>(std::clamp<int64_t>(limit, 1, most))));
}
int power_from(int64_t wanted, int64_t most) {
  return static_cast<int>(
      std::min<uint64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(wanted, 1))),
                         static_cast<uint64_t>(most)));
}

bool has(const std::vector<int>& loops, int loop) {
  return std::find(loops.begin(), loops.end(), loop) != loops.end();
}

void put_last(std::vector<int>& loops, int loop) {
  if (!has(loops, loop)) return;
  std::erase(loops, loop);
  loops.push_back(loop);
}

// One access of a stage, and how often its loops make it go elsewhere.
struct GpuAccess {
  const Address* address;
  const NestBuffer* buffer;
  uint64_t loops;  // that it depends on
};

class Scheduler {
 public:
  explicit Scheduler(LoopNest nest) : nest_(std::move(nest)) {
    for (const Stage& stage : nest_.stages) accesses_.push_back(accesses_of(stage));
  }

  GpuNest run() {
    for (Stage& stage : nest_.stages) {
      stage.lane = -1;
      stage.lanes = 1;
      stage.transposed.clear();
    }
    nest_.lane = -1;
    nest_.lanes = 1;
    nest_.strip = 0;
    const int shared = best_loop(nest_.shared, std::nullopt);
    order(nest_.shared, shared);
    for (size_t s = 0; s < nest_.stages.size(); ++s) order_stage(s);
    choose_points_inner(shared);
    choose_lanes(shared);
    place_scratch();
    choose_threads();
    count_blocks();
    return {std::move(nest_), std::move(result_)};
  }

 private:
  int64_t extent(int loop) const { return nest_.loops[static_cast<size_t>(loop)].extent; }
  int64_t volume(const std::vector<int>& loops) const {
    int64_t product = 1;
    for (const int loop : loops) product *= extent(loop);
    return product;
  }
  // Steps of these loops, where one of them may go by lanes.
  int64_t trips(const std::vector<int>& loops, int lane, int lanes) const {
    return volume(loops) / (lane >= 0 && has(loops, lane) ? lanes : 1);
  }

  uint64_t loops_of(const Address& address) const {
    uint64_t mask = 0;
    for (const auto& term : address.affine.terms) mask |= uint64_t{1} << term.first;
    for (const auto& [node, stride] : address.terms)
      mask |= nest_.nodes[static_cast<size_t>(node)].loops;
    for (const Guard& guard : address.guards) {
      for (const auto& term : guard.affine.terms) mask |= uint64_t{1} << term.first;
      if (guard.node >= 0) mask |= nest_.nodes[static_cast<size_t>(guard.node)].loops;
    }
    return mask;
  }

  std::vector<GpuAccess> accesses_of(const Stage& stage) const {
    std::vector<GpuAccess> result;
    for (const Address* address : addresses_of(nest_, stage, use_of(nest_, stage)))
      result.push_back(
          {address, &nest_.buffers[static_cast<size_t>(address->buffer)], loops_of(*address)});
    return result;
  }

  // Bytes of the stage's accesses that are contiguous along the loop.
  double contiguous_bytes(size_t stage, int loop) const {
    double bytes = 0;
    for (const GpuAccess& access : accesses_[stage]) {
      if (step_of(nest_, *access.address, loop) != std::optional<int64_t>(1)) continue;
      double each = static_cast<double>(size_of(access.buffer->type));
      for (size_t l = 0; l < nest_.loops.size(); ++l)
        if ((access.loops >> l & 1) != 0) each *= static_cast<double>(nest_.loops[l].extent);
      bytes += each;
    }
    return bytes;
  }
  double contiguous_bytes(int loop, std::optional<size_t> stage) const {
    if (stage) return contiguous_bytes(*stage, loop);
    double bytes = 0;
    for (size_t s = 0; s < accesses_.size(); ++s) bytes += contiguous_bytes(s, loop);
    return bytes;
  }

  // Of the loops, that along which most is contiguous; -1: along none is anything.
  int best_loop(const std::vector<int>& loops, std::optional<size_t> stage) const {
    int best = -1;
    double most = 0;
    for (const int loop : loops) {
      const double bytes = contiguous_bytes(loop, stage);
      if (bytes <= most) continue;
      most = bytes;
      best = loop;
    }
    return best;
  }

  // Outermost the longest steps through memory; `inner` innermost.
  void order(std::vector<int>& loops, int inner) const {
    std::vector<const Address*> addresses;
    for (const std::vector<GpuAccess>& accesses : accesses_)
      for (const GpuAccess& access : accesses) addresses.push_back(access.address);
    order_by_steps(nest_, addresses, loops);
    put_last(loops, inner);
  }

  void order_stage(size_t s) {
    Stage& stage = nest_.stages[s];
    order(stage.free, best_loop(stage.free, s));
    order(stage.reduced, best_loop(stage.reduced, s));
    std::vector<int> own = stage.free;
    own.insert(own.end(), stage.reduced.begin(), stage.reduced.end());
    const int inner = best_loop(own, s);
    inner_.push_back(inner);
    result_.stages.push_back({1, 1, !has(stage.free, inner)});
  }

  // Scans and scatters go step by step, so that only their points are side by side.
  bool step_by_step(const Stage& stage) const { return stage.scatters || stage.scan.has_value(); }

  void choose_points_inner(int shared) {
    const double across = shared >= 0 ? contiguous_bytes(shared, std::nullopt) : 0;
    double along = 0;
    for (size_t s = 0; s < inner_.size(); ++s) {
      if (step_by_step(nest_.stages[s])) continue;
      if (inner_[s] >= 0) along += contiguous_bytes(s, inner_[s]);
    }
    result_.points_inner = across >= along;
  }

  // As many lanes as make the narrowest contiguous access 16 bytes wide; 1 where some access takes
  // another step, or is aligned to less.
  int lanes_along(size_t s, int loop) const {
    if (loop < 0 || nest_.stages[s].scatters || nest_.stages[s].scan) return 1;
    int64_t narrowest = 0, widest = 1;
    for (const GpuAccess& access : accesses_[s]) {
      if ((access.loops >> loop & 1) == 0) continue;
      if (access.address->affine.coefficient(loop) != 1) return 1;
      Address fixed = *access.address;
      fixed.affine = {};
      if ((loops_of(fixed) >> loop & 1) != 0) return 1;  // a guard or data depends on it
      const auto size = static_cast<int64_t>(size_of(access.buffer->type));
      narrowest = narrowest == 0 ? size : std::min(narrowest, size);
      widest = std::max(widest, size);
    }
    if (narrowest == 0) return 1;
    int64_t lanes = std::min<int64_t>(kGpuVectorBytes / narrowest, widest <= 2 ? 16 : 8);
    while (lanes > 1 && !(extent(loop) % lanes == 0 && aligned(s, loop, lanes))) lanes /= 2;
    return static_cast<int>(lanes);
  }

  bool aligned(size_t s, int loop, int64_t lanes) const {
    for (const GpuAccess& access : accesses_[s]) {
      if ((access.loops >> loop & 1) == 0) continue;
      const auto size = static_cast<int64_t>(size_of(access.buffer->type));
      const int64_t piece = std::min(kGpuVectorBytes, lanes * size);
      const auto divides = [&](int64_t elements) { return elements * size % piece == 0; };
      if (!divides(access.address->affine.constant)) return false;
      for (const auto& [other, step] : access.address->affine.terms)
        if (other != loop && !divides(step)) return false;
      for (const auto& [node, step] : access.address->terms)
        if (!divides(step)) return false;
    }
    return true;
  }

  void choose_lanes(int shared) {
    if (nest_.stages.size() == 1 && result_.points_inner) {
      nest_.lanes = lanes_along(0, shared);
      nest_.lane = nest_.lanes > 1 ? shared : -1;
      nest_.stages[0].lane = nest_.lane;
      nest_.stages[0].lanes = nest_.lanes;
      return;
    }
    if (result_.points_inner) return;
    for (size_t s = 0; s < nest_.stages.size(); ++s) {
      Stage& stage = nest_.stages[s];
      stage.lanes = lanes_along(s, inner_[s]);
      stage.lane = stage.lanes > 1 ? inner_[s] : -1;
    }
  }

  void place_scratch() {
    for (NestBuffer& buffer : nest_.buffers) {
      if (buffer.argument >= 0) continue;
      buffer.per_lane = false;
      buffer.scratch_offset = result_.point_bytes;
      const size_t bytes = static_cast<size_t>(buffer.elements) * size_of(buffer.type);
      result_.point_bytes += (bytes + 15) / 16 * 16;
    }
  }

  // Threads that a team can make use of, each with some steps of its own.
  int64_t widest_team(int64_t steps_each) const {
    int64_t most = 1;
    for (const Stage& stage : nest_.stages) {
      if (step_by_step(stage)) continue;
      most = std::max(most, trips(stage.free, stage.lane, stage.lanes) *
                                trips(stage.reduced, stage.lane, stage.lanes));
    }
    return (most + steps_each - 1) / steps_each;
  }

  void choose_threads() {
    const int64_t points = std::max<int64_t>(trips(nest_.shared, nest_.lane, nest_.lanes), 1);
    const int64_t busy =
        (kBusyThreads + points - 1) / points;  // threads a point, if all are to work
    int team = power_up_to(widest_team(kStepsEach), kThreads);
    const bool several = nest_.stages.size() > 1;
    // Teams of one go their own way; a few stages with something to share want several.
    if (result_.points_inner) {
      team = std::min(team, power_from(busy, kThreads / kGpuWarp));
    } else if (team >= kGpuWarp) {
      team = std::min(team, std::max(power_from(busy, kThreads), several ? 128 : kGpuWarp));
    }
    result_.team = team;
    result_.points = std::max(1, kThreads / team);
    while (result_.points > 1 && result_.points / 2 >= points) result_.points /= 2;
    while (result_.points > 1 &&
           result_.point_bytes * static_cast<size_t>(result_.points) > kGpuSharedBytes * 5 / 6)
      result_.points /= 2;
    for (size_t s = 0; s < nest_.stages.size(); ++s) share_team(s);
    // A double of each thread, and of each lane where lanes are points.
    int lanes = nest_.lanes;
    for (const Stage& stage : nest_.stages)
      if (has(stage.free, stage.lane)) lanes = std::max(lanes, stage.lanes);
    if (team > 1) result_.combine_bytes = static_cast<size_t>(8 * result_.threads() * lanes);
  }

  void share_team(size_t s) {
    const Stage& stage = nest_.stages[s];
    GpuStage& shared = result_.stages[s];
    const int64_t free = trips(stage.free, stage.lane, stage.lanes);
    const int64_t reduced = trips(stage.reduced, stage.lane, stage.lanes);
    if (step_by_step(stage) || stage.reductions.empty()) {
      shared.free_threads = result_.team;
    } else if (shared.reduced_inner) {
      shared.reduce_threads = free <= 1 ? result_.team : power_from(reduced, result_.team);
      shared.free_threads = result_.team / shared.reduce_threads;
    } else {
      shared.free_threads = power_from(free, result_.team);
      shared.reduce_threads = result_.team / shared.free_threads;
    }
  }

  void count_blocks() {
    nest_.points = trips(nest_.shared, nest_.lane, nest_.lanes);
    nest_.collapsed = static_cast<int>(nest_.shared.size());
    nest_.grain = result_.points;
    result_.blocks = (nest_.points + result_.points - 1) / result_.points;
    nest_.chunks = result_.blocks;
  }

  LoopNest nest_;
  GpuSchedule result_;
  std::vector<std::vector<GpuAccess>> accesses_;  // by stage
  std::vector<int> inner_;                        // by stage: its own loop that is contiguous
};

}  // namespace

size_t GpuSchedule::shared_bytes() const {
  return point_bytes * static_cast<size_t>(points) + combine_bytes;
}

GpuNest schedule_for_gpu(LoopNest nest) {
  return Scheduler(std::move(nest)).run();
}

std::string describe(const GpuNest& gpu) {
  const GpuSchedule& s = gpu.schedule;
  std::string text =
      fmt::format("{} blocks of {} points, teams of {}{}", s.blocks, s.points, s.team,
                  s.points_inner || s.team == 1 ? "" : ", neighbours in a team");
  if (s.point_bytes > 0) text += fmt::format("; {} bytes of scratch a point", s.point_bytes);
  const auto lanes = [&](int lane, int count) {
    if (lane >= 0)
      text +=
          fmt::format("; {} by {} lanes", gpu.nest.loops[static_cast<size_t>(lane)].name, count);
  };
  lanes(gpu.nest.lane, gpu.nest.lanes);
  if (gpu.nest.lane < 0)
    for (const Stage& stage : gpu.nest.stages) lanes(stage.lane, stage.lanes);
  return text;
}

}  // namespace tessera
