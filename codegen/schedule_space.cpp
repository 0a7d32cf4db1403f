#include "codegen/schedule_space.h"

#include <fmt/format.h>

#include <algorithm>

#include "codegen/lower.h"
#include "codegen/machine.h"
#include "codegen/schedule_model.h"
#include "codegen/written_out.h"

namespace tessera {
namespace {

// The shared lane loop set, or each stage's own when it is -1.
LoopChoice with_shared_lane(LoopChoice choice, int lane, int lanes) {
  choice.lane = lane;
  choice.lanes = lane < 0 ? 1 : lanes;
  for (StageChoice& stage : choice.stages) {
    stage.lane = lane;
    stage.lanes = choice.lanes;
  }
  return choice;
}

// Every exchange of two neighbours.
std::vector<std::vector<int>> exchanged(const std::vector<int>& loops) {
  std::vector<std::vector<int>> orders;
  for (size_t i = 0; i + 1 < loops.size(); ++i) {
    orders.push_back(loops);
    std::swap(orders.back()[i], orders.back()[i + 1]);
  }
  return orders;
}

// The same with each lane loop that it may have.
std::vector<LoopChoice> lane_choices(const LoopNest& nest, const LoopChoice& base,
                                     const ScheduleTarget& target) {
  std::vector<LoopChoice> choices = {base};
  for (int loop : nest.shared) {
    int lanes = 1;
    for (const Stage& stage : nest.stages)
      lanes = std::max(lanes, lanes_for(nest, stage, use_of(nest, stage), loop, target));
    choices.push_back(with_shared_lane(base, loop, lanes));
  }
  const LoopChoice own = base.lane >= 0 ? with_shared_lane(base, -1, 1) : base;
  choices.push_back(own);
  for (size_t s = 0; s < nest.stages.size(); ++s)
    for (int loop : lane_loops_of(nest.stages[s])) {
      LoopChoice choice = own;
      const Stage& stage = nest.stages[s];
      choice.stages[s].lane = loop;
      choice.stages[s].lanes = lanes_for(nest, stage, use_of(nest, stage), loop, target);
      // Lanes belong innermost.
      for (std::vector<int>* order : {&choice.stages[s].free, &choice.stages[s].reduced})
        if (std::erase(*order, loop) != 0) order->push_back(loop);
      choices.push_back(std::move(choice));
    }
  return choices;
}

int64_t rounded_up(int64_t value, int64_t unit) {
  return std::max<int64_t>(1, (value + unit - 1) / unit) * unit;
}

std::vector<int64_t> halved_and_doubled(int64_t block, int64_t unit, int64_t extent) {
  std::vector<int64_t> found;
  for (int64_t wanted : {block / 2, block * 2}) {
    const int64_t next = std::min(rounded_up(wanted, unit), rounded_up(extent, unit));
    if (next != block) found.push_back(next);
  }
  return found;
}

}  // namespace

ScheduleSpace::ScheduleSpace(const KernelGroup& group, const BuildOptions& options)
    : group_(group),
      limits_(options.blocks),
      vectors_(vectors_of(options.level)),
      target_{vectors_, options.workers},
      contraction_(find_contraction(group)),
      lowered_(lower(group)),
      scheduled_(lowered_) {
  vectors_.threads = options.workers;
  schedule(scheduled_, target_);
  model_ = choice_of(scheduled_);
  if (contraction_ && (options.always_tile || worth_tiling(contraction_->contraction)))
    model_ = choice_of(plan_contraction(*contraction_, vectors_));
  else if (const std::optional<std::vector<BlockWalk>> walks = plan_walks(group, limits_))
    model_ = choice_of(*walks);
}

bool ScheduleSpace::fits(const ScheduleChoice& choice) const {
  if (const TileChoice* tile = std::get_if<TileChoice>(&choice))
    return contraction_ && plan_contraction(*contraction_, vectors_, *tile).has_value();
  if (const BlockChoice* blocks = std::get_if<BlockChoice>(&choice))
    return plan_walks(group_, limits_, *blocks).has_value();
  LoopNest nest = lowered_;
  return schedule(nest, target_, std::get<LoopChoice>(choice));
}

std::vector<ScheduleChoice> ScheduleSpace::seeds() const {
  // As one general nest, it would hold whole tensors as scratch.
  if (std::holds_alternative<BlockChoice>(model_)) return {};
  std::vector<ScheduleChoice> tiles, loops;
  if (contraction_)
    for (const TileChoice& tile : tiles_of(*contraction_, vectors_)) tiles.emplace_back(tile);
  for (const LoopChoice& choice : loop_seeds()) loops.emplace_back(choice);
  // The kind that the model prefers first; then one of the other kind, before the long tail.
  const bool tiled = std::holds_alternative<TileChoice>(model_);
  std::vector<ScheduleChoice>& first = tiled ? tiles : loops;
  const std::vector<ScheduleChoice>& second = tiled ? loops : tiles;
  constexpr size_t kHead = 6;
  first.insert(first.begin() + static_cast<std::ptrdiff_t>(std::min(kHead, first.size())),
               second.begin(), second.end());
  std::erase_if(first,
                [&](const ScheduleChoice& choice) { return choice == model_ || !fits(choice); });
  return std::move(first);
}

std::vector<LoopChoice> ScheduleSpace::loop_seeds() const {
  std::vector<LoopChoice> choices = lane_choices(scheduled_, choice_of(scheduled_), target_);
  // With short reductions written out, or not, where the model has it the other way.
  if (const std::optional<LoopNest> map = written_out(lowered_)) {
    const bool is_map = scheduled_.stages[0].reduced.empty();
    const LoopNest& other = is_map ? lowered_ : *map;
    const std::vector<LoopChoice> more = lane_choices(other, choice_of(other), target_);
    choices.insert(choices.end(), more.begin(), more.end());
  }
  std::vector<std::pair<double, LoopChoice>> priced;
  for (LoopChoice& choice : choices) {
    LoopNest nest = lowered_;
    if (schedule(nest, target_, choice))
      priced.emplace_back(predicted_seconds(nest, target_), std::move(choice));
  }
  std::stable_sort(priced.begin(), priced.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  choices.clear();
  for (auto& [cost, choice] : priced) choices.push_back(std::move(choice));
  return choices;
}

std::vector<ScheduleChoice> ScheduleSpace::neighbours(const ScheduleChoice& choice) const {
  std::vector<ScheduleChoice> found;
  const auto add = [&](const auto& next) {
    if (ScheduleChoice(next) != choice && fits(next)) found.emplace_back(next);
  };
  if (const TileChoice* tile = std::get_if<TileChoice>(&choice)) {
    if (contraction_)
      for (const TileChoice& next : around(*tile)) add(next);
  } else if (const BlockChoice* blocks = std::get_if<BlockChoice>(&choice)) {
    for (const BlockChoice& next : around(*blocks)) add(next);
  } else {
    for (const LoopChoice& next : around(std::get<LoopChoice>(choice))) add(next);
  }
  return found;
}

std::vector<TileChoice> ScheduleSpace::around(const TileChoice& tile) const {
  std::vector<TileChoice> found;
  const std::optional<ContractionPlan> plan = plan_contraction(*contraction_, vectors_, tile);
  if (!plan) return found;
  const ContractionLayout& layout = plan->layout;
  const ContractionSchedule& s = plan->schedule;
  const auto add = [&](auto TileChoice::*field, auto value) {
    found.push_back(tile);
    found.back().*field = value;
  };
  for (int64_t block : halved_and_doubled(tile.k_block, s.product.group(), volume(layout.k)))
    add(&TileChoice::k_block, block);
  for (int64_t block : halved_and_doubled(tile.m_block, tile.rows, volume(layout.m)))
    add(&TileChoice::m_block, block);
  for (int64_t block : halved_and_doubled(tile.n_block, s.columns(), volume(layout.n)))
    add(&TileChoice::n_block, block);
  for (Feed TileChoice::*feed : {&TileChoice::a, &TileChoice::b})
    add(feed, tile.*feed == Feed::packed ? Feed::direct : Feed::packed);
  // Another tile keeps about the same blocks.
  for (const auto& [rows, vectors] : {std::pair{-1, 0}, {1, 0}, {0, -1}, {0, 1}}) {
    TileChoice next = tile;
    next.rows += rows;
    next.vectors += vectors;
    if (next.rows < 1 || next.vectors < 1) continue;
    const auto refit = [](int64_t block, int64_t unit, int64_t extent) {
      return std::min(rounded_up(block, unit), rounded_up(extent, unit));
    };
    next.m_block = refit(tile.m_block, next.rows, volume(layout.m));
    next.n_block = refit(tile.n_block, next.vectors * s.n_lanes(), volume(layout.n));
    found.push_back(next);
  }
  return found;
}

std::vector<LoopChoice> ScheduleSpace::around(const LoopChoice& loops) const {
  std::vector<LoopChoice> found;
  for (int lanes : {loops.lanes * 2, loops.lanes / 2})
    if (loops.lane >= 0 && lanes >= 1) found.push_back(with_shared_lane(loops, loops.lane, lanes));
  for (size_t s = 0; s < loops.stages.size(); ++s) {
    const StageChoice& stage = loops.stages[s];
    const auto add = [&](auto StageChoice::*field, const auto& value) {
      found.push_back(loops);
      found.back().stages[s].*field = value;
    };
    if (loops.lane < 0 && stage.lane >= 0)
      for (int lanes : {stage.lanes * 2, stage.lanes / 2})
        if (lanes >= 1) add(&StageChoice::lanes, lanes);
    for (const std::vector<int>& order : exchanged(stage.free)) add(&StageChoice::free, order);
    for (const std::vector<int>& order : exchanged(stage.reduced))
      add(&StageChoice::reduced, order);
  }
  for (const std::vector<int>& order : exchanged(loops.shared)) {
    found.push_back(loops);
    found.back().shared = order;
  }
  LoopNest nest = lowered_;
  if (!schedule(nest, target_, loops)) return {};
  for (int64_t grain : {nest.grain / 4, nest.grain * 4}) {
    if (grain < 1 || grain > nest.points) continue;
    found.push_back(loops);
    found.back().grain = grain;
  }
  return found;
}

std::vector<BlockChoice> ScheduleSpace::around(const BlockChoice& blocks) const {
  std::vector<BlockChoice> found;
  for (const int64_t last : {blocks.blocks.back() / 2, blocks.blocks.back() * 2}) {
    found.push_back(blocks);
    found.back().blocks.back() = last;
  }
  // One dim less, and one more.
  BlockChoice next = blocks;
  next.blocks.pop_back();
  found.push_back(next);
  next = blocks;
  next.blocks.back() = 1;
  next.blocks.push_back(1);
  found.push_back(next);
  return found;
}

std::string ScheduleSpace::describe(const ScheduleChoice& choice) const {
  if (const BlockChoice* blocks = std::get_if<BlockChoice>(&choice)) {
    const std::optional<std::vector<BlockWalk>> walks = plan_walks(group_, limits_, *blocks);
    return "in blocks: " + (walks ? tessera::describe(*walks) : "which do not fit");
  }
  const TileChoice* tile = std::get_if<TileChoice>(&choice);
  if (tile == nullptr) return describe_loops(std::get<LoopChoice>(choice));
  const auto element = static_cast<int>(size_of(contraction_->contraction.type));
  std::string text =
      fmt::format("tile {} x {} vectors of {}, blocks m {}, n {}, k {}", tile->rows, tile->vectors,
                  vectors_.vector_bytes / element, tile->m_block, tile->n_block, tile->k_block);
  const char* a = tile->swapped ? "b" : "a";
  const char* b = tile->swapped ? "a" : "b";
  if (tile->a == Feed::packed) text += fmt::format(", {} packed", a);
  if (tile->b == Feed::packed) text += fmt::format(", {} packed", b);
  return text;
}

std::string ScheduleSpace::describe_loops(const LoopChoice& loops) const {
  const auto name = [&](int loop) { return lowered_.loops[static_cast<size_t>(loop)].name; };
  const auto names = [&](const std::vector<int>& order) {
    std::string text;
    for (int loop : order) text += (text.empty() ? "" : " ") + name(loop);
    return text.empty() ? "-" : text;
  };
  const auto lanes = [&](int lane, int count) {
    return lane < 0 ? std::string("no lanes") : fmt::format("{} lanes along {}", count, name(lane));
  };
  std::string text = "loops " + names(loops.shared);
  if (loops.lane >= 0) text += ", " + lanes(loops.lane, loops.lanes);
  for (const StageChoice& stage : loops.stages) {
    if (stage.free.empty() && stage.reduced.empty() && loops.lane >= 0) continue;
    text += fmt::format("; {} | {}", names(stage.free), names(stage.reduced));
    if (loops.lane < 0) text += ", " + lanes(stage.lane, stage.lanes);
  }
  if (loops.grain > 0) text += fmt::format("; {} points a chunk", loops.grain);
  return text;
}

}  // namespace tessera
