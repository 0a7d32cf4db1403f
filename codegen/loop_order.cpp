#include "codegen/loop_order.h"

#include <algorithm>
#include <cmath>

#include "codegen/schedule_model.h"

namespace tessera {
namespace {

bool has(const std::vector<int>& loops, int loop) {
  return std::find(loops.begin(), loops.end(), loop) != loops.end();
}

// The lane loop innermost; but a loop that is contiguous where the lane loop is not goes inside, so
// that the lines it touches are used up while they are in cache.
void place_lane(const LoopNest& nest, const std::vector<const Address*>& addresses, int lane,
                std::vector<int>& loops) {
  if (!has(loops, lane)) return;
  std::erase(loops, lane);
  loops.push_back(lane);
  for (const Address* address : addresses) {
    const auto step = step_of(nest, *address, lane);
    if (step && std::abs(*step) <= 1) continue;
    for (int loop : loops) {
      if (loop == lane || step_of(nest, *address, loop) != std::optional<int64_t>(1)) continue;
      std::erase(loops, loop);
      loops.push_back(loop);
      return;
    }
  }
}

}  // namespace

void order_by_steps(const LoopNest& nest, const std::vector<const Address*>& addresses,
                    std::vector<int>& loops) {
  const auto weight = [&](int loop) {
    double sum = 0;
    for (const Address* address : addresses)
      if (const auto step = step_of(nest, *address, loop))
        sum += std::log2(1 + std::abs(static_cast<double>(*step)));
    return sum;
  };
  std::stable_sort(loops.begin(), loops.end(), [&](int a, int b) { return weight(a) > weight(b); });
}

void order_loops(LoopNest& nest) {
  std::vector<const Address*> all;
  for (Stage& stage : nest.stages) {
    const std::vector<const Address*> own = addresses_of(nest, stage, use_of(nest, stage));
    all.insert(all.end(), own.begin(), own.end());
    order_by_steps(nest, own, stage.free);
    order_by_steps(nest, own, stage.reduced);
    const bool reduces = !stage.reductions.empty() || stage.scatters;
    if (reduces && has(stage.free, stage.lane)) {
      std::erase(stage.free, stage.lane);
      stage.free.push_back(stage.lane);
    } else {
      place_lane(nest, own, stage.lane, stage.free);
    }
    if (has(stage.reduced, stage.lane)) {
      std::erase(stage.reduced, stage.lane);
      stage.reduced.push_back(stage.lane);
    }
  }
  order_by_steps(nest, all, nest.shared);
  place_lane(nest, all, nest.lane, nest.shared);
}

}  // namespace tessera
