#include "codegen/make_cheaper.h"

#include <algorithm>

#include "codegen/loop_order.h"
#include "codegen/nest_price.h"
#include "codegen/schedule_model.h"
#include "codegen/transposed_loads.h"
#include "codegen/written_out.h"

namespace tessera {
namespace {

constexpr double kGain = 0.8;   // prices are not exact
constexpr int kMostRounds = 6;  // of exchanges

class Search {
 public:
  Search(const LoopNest& nest, const ScheduleTarget& target) : target_(target), best_(nest) {
    for (Stage& stage : best_.stages)
      stage.transposed = transposed_loads(best_, stage, target_.vectors.vector_bytes);
    before_ = price_ = nest_price(best_, target.vectors);
  }

  // The cheapest nest; nothing where it is not clearly cheaper than the first one.
  std::optional<LoopNest> run() {
    const LoopNest start = best_;
    try_lanes(start);
    if (const std::optional<LoopNest> map = written_out(start)) try_lanes(*map);
    for (int round = 0; round < kMostRounds && exchange(); ++round) continue;
    if (price_ >= kGain * before_) return std::nullopt;
    return std::move(best_);
  }

 private:
  // Keeps the nest where it is cheaper than what was found.
  bool consider(LoopNest nest) {
    for (Stage& stage : nest.stages)
      stage.transposed = transposed_loads(nest, stage, target_.vectors.vector_bytes);
    const double price = nest_price(nest, target_.vectors);
    if (price >= 0.999 * price_) return false;
    price_ = price;
    best_ = std::move(nest);
    return true;
  }

  void try_lanes(const LoopNest& start) {
    for (const int loop : start.shared) {
      LoopNest nest = start;
      nest.lane = loop;
      nest.lanes = 1 << 30;
      bool may = true;
      for (const Stage& stage : nest.stages) {
        may = may && lanes_may_share(nest, stage, loop);
        nest.lanes =
            std::min(nest.lanes, lanes_for(nest, stage, use_of(nest, stage), loop, target_));
      }
      if (!may) continue;
      for (Stage& stage : nest.stages) {
        stage.lane = loop;
        stage.lanes = nest.lanes;
      }
      order_loops(nest);
      consider(std::move(nest));
    }
    if (start.stages.size() != 1) return;
    for (const int loop : lane_loops_of(start.stages[0])) {
      LoopNest nest = start;
      nest.lane = -1;
      nest.lanes = 1;
      Stage& stage = nest.stages[0];
      stage.lane = loop;
      stage.lanes = lanes_for(nest, stage, use_of(nest, stage), loop, target_);
      order_loops(nest);
      consider(std::move(nest));
    }
  }

  // Every exchange of two neighbours in what was found so far.
  bool exchange() {
    const LoopNest from = best_;
    bool found = false;
    const auto each = [&](const std::vector<int>& loops, const auto& list_of) {
      for (size_t i = 0; i + 1 < loops.size(); ++i) {
        LoopNest nest = from;
        std::vector<int>& order = list_of(nest);
        std::swap(order[i], order[i + 1]);
        found = consider(std::move(nest)) || found;
      }
    };
    each(from.shared, [](LoopNest& nest) -> std::vector<int>& { return nest.shared; });
    for (size_t s = 0; s < from.stages.size(); ++s) {
      each(from.stages[s].free,
           [s](LoopNest& nest) -> std::vector<int>& { return nest.stages[s].free; });
      each(from.stages[s].reduced,
           [s](LoopNest& nest) -> std::vector<int>& { return nest.stages[s].reduced; });
    }
    return found;
  }

  const ScheduleTarget& target_;
  LoopNest best_;
  double price_ = 0, before_ = 0;
};

}  // namespace

void make_cheaper(LoopNest& nest, const ScheduleTarget& target) {
  if (std::optional<LoopNest> cheaper = Search(nest, target).run()) nest = std::move(*cheaper);
}

}  // namespace tessera
