#include "codegen/loop_choice.h"

namespace tessera {

LoopChoice choice_of(const LoopNest& nest) {
  LoopChoice choice{nest.shared, nest.lane, nest.lanes, {}, 0};
  for (const Stage& stage : nest.stages)
    choice.stages.push_back({stage.free, stage.reduced, stage.lane, stage.lanes});
  return choice;
}

void take(LoopNest& nest, const LoopChoice& choice) {
  nest.shared = choice.shared;
  nest.lane = choice.lane;
  nest.lanes = choice.lanes;
  for (size_t s = 0; s < nest.stages.size(); ++s) {
    Stage& stage = nest.stages[s];
    stage.free = choice.stages[s].free;
    stage.reduced = choice.stages[s].reduced;
    stage.lane = choice.stages[s].lane;
    stage.lanes = choice.stages[s].lanes;
  }
}

}  // namespace tessera
