#include "codegen/interleave.h"

#include <algorithm>
#include <cmath>

#include "codegen/schedule_model.h"

namespace tessera {
namespace {

constexpr double kChainCycles = 4;    // from one addition to the next that needs it
constexpr double kExtremeCycles = 6;  // the same of min and max, which keep NaN
constexpr double kAtOnce = 2.5;       // instructions of one cycle
constexpr int kMostSteps = 4;

bool is_extreme(const Accumulation& reduction) {
  return (reduction.op == ReduceOp::max || reduction.op == ReduceOp::min) &&
         is_float(reduction.type);
}

// Of one stage's innermost reduced loop.
struct Steps {
  double instructions = 0;  // of a step
  double chain = 0;         // cycles between two steps of a running value
  int64_t registers = 0;    // of running values
  int64_t trips = 0;
};

Steps steps_of(const LoopNest& nest, const Stage& stage, const VectorTarget& target) {
  const int lane = nest.lane >= 0 ? nest.lane : stage.lane;
  const int lanes = nest.lane >= 0 ? nest.lanes : stage.lanes;
  const auto vectors = [&](DType type) {
    const int64_t bytes = lanes * static_cast<int64_t>(size_of(sum_type(type)));
    return std::max<int64_t>(1, (bytes + target.vector_bytes - 1) / target.vector_bytes);
  };
  const auto varies = [](const Node& node, int loop) {
    return loop >= 0 && (node.loops >> loop & 1) != 0;
  };
  const int innermost = stage.reduced.back();
  Steps steps;
  for (const int index : use_of(nest, stage).nodes) {
    const Node& node = nest.nodes[static_cast<size_t>(index)];
    if (!varies(node, innermost) || node.kind == Node::Kind::constant) continue;
    const double each = node.kind == Node::Kind::apply ? std::max(1.0, info(node.fn).flops) : 1;
    steps.instructions += each * (varies(node, lane) ? static_cast<double>(vectors(node.type)) : 1);
  }
  for (const int index : stage.reductions) {
    const Accumulation& reduction = nest.reductions[static_cast<size_t>(index)];
    const int64_t each = lane >= 0 ? vectors(reduction.type) : 1;
    steps.registers += each;
    steps.instructions += static_cast<double>(each) * (is_extreme(reduction) ? 3 : 1);
    steps.chain = std::max(steps.chain, is_extreme(reduction) ? kExtremeCycles : kChainCycles);
  }
  const int64_t extent = nest.loops[static_cast<size_t>(innermost)].extent;
  steps.trips = innermost == lane ? extent / lanes : extent;
  return steps;
}

bool may_wait(const LoopNest& nest, const Stage& stage) {
  return !stage.reductions.empty() && !stage.reduced.empty() && !stage.scan && nest.strip == 0;
}

int steps_in_turns(const Steps& steps, const VectorTarget& target) {
  const double cycles = std::max(1.0, steps.instructions / kAtOnce);
  const int64_t room = target.registers / 2;
  int64_t turns = 1;
  while (turns < kMostSteps && static_cast<double>(turns) * cycles < steps.chain) turns *= 2;
  while (turns > 1 && turns * steps.registers > room) turns /= 2;
  return static_cast<int>(std::max<int64_t>(1, std::min(turns, steps.trips)));
}

}  // namespace

int interleaved_steps(const LoopNest& nest, const Stage& stage, const VectorTarget& target) {
  return may_wait(nest, stage) ? steps_in_turns(steps_of(nest, stage, target), target) : 1;
}

double stalled_cycles(const LoopNest& nest, const Stage& stage, const VectorTarget& target) {
  if (!may_wait(nest, stage)) return 0;
  const Steps steps = steps_of(nest, stage, target);
  const double turns = steps_in_turns(steps, target);
  return std::max(0.0, steps.chain / turns - steps.instructions / kAtOnce);
}

}  // namespace tessera
