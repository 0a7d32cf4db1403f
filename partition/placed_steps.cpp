#include "partition/placed_steps.h"

namespace tessera {
namespace {

class Arranger {
 public:
  explicit Arranger(const PlacedSteps& placed) : placed_(placed) {}

  std::vector<Step> run(const Sequence& sequence, const Scope& scope) {
    std::vector<Step> steps;
    add_conversions(scope, steps);
    for (const SequenceStep& step : sequence) {
      if (const SequenceLoop* loop = std::get_if<SequenceLoop>(&step.what)) {
        steps.push_back(run_loop(*loop, scope));
      } else if (std::get<Tensor>(step.what).role() == Role::definition) {
        steps.push_back(placed_.computed[static_cast<size_t>(nests_++)]);
      } else {
        continue;  // carried
      }
      add_conversions(scope, steps);
    }
    return steps;
  }

 private:
  LoopStep run_loop(const SequenceLoop& loop, Scope scope) {
    const int number = loops_++;
    scope.push_back(number);
    LoopStep made{loop.over, loop.descending, placed_.carries[static_cast<size_t>(number)],
                  run(loop.body, scope), std::nullopt};
    const auto it = placed_.conditions.find(number);
    if (it != placed_.conditions.end()) made.while_holds = it->second;
    return made;
  }

  void add_conversions(const Scope& scope, std::vector<Step>& steps) const {
    const auto it = placed_.conversions.find({scope, nests_ - 1});
    if (it != placed_.conversions.end())
      steps.insert(steps.end(), it->second.begin(), it->second.end());
  }

  const PlacedSteps& placed_;
  int nests_ = 0;
  int loops_ = 0;
};

}  // namespace

std::vector<Step> arrange(const Sequence& sequence, const PlacedSteps& placed) {
  return Arranger(placed).run(sequence, {});
}

}  // namespace tessera
