#include "ir/loop_condition.h"

#include <algorithm>

#include "ir/structure.h"

namespace tessera {
namespace {

bool is_whole(const Expr& expr, const Tensor& tensor) {
  return whole_tensor(expr) == tensor;
}

// Is it false wherever it was false before?
bool stays_false(const Update& carry) {
  const Apply* apply = as<Apply>(carry.value.value());
  return apply != nullptr && apply->fn == Fn::logical_and &&
         (is_whole(apply->args[0], carry.target) || is_whole(apply->args[1], carry.target));
}

// Is it what it was before wherever `going` is false?
bool stays_same(const Update& carry, const Tensor& going) {
  const Apply* apply = as<Apply>(carry.value.value());
  return apply != nullptr && apply->fn == Fn::where && is_whole(apply->args[0], going) &&
         is_whole(apply->args[2], carry.target);
}

}  // namespace

std::map<Tensor, std::vector<Tensor>> held_by_conditions(const Program& program) {
  std::map<Tensor, std::vector<Tensor>> held;
  for (const Update& condition : program.carries()) {
    if (!stays_false(condition)) continue;
    for (const Update& carry : program.carries())
      if (!(carry.target == condition.target) && carry.target.over() == condition.target.over() &&
          stays_same(carry, condition.value))
        held[condition.value].push_back(carry.target);
  }
  return held;
}

std::optional<Tensor> condition_of(const Program& program, const SequenceLoop& loop) {
  std::vector<Update> carries;
  for (const SequenceStep& step : loop.body) {
    const Tensor* tensor = std::get_if<Tensor>(&step.what);
    if (tensor != nullptr && tensor->role() == Role::carried && tensor->over() == loop.over)
      carries.push_back(*program.update_of(*tensor));
  }
  for (const Update& candidate : carries) {
    if (!stays_false(candidate)) continue;
    const bool decides = std::all_of(carries.begin(), carries.end(), [&](const Update& carry) {
      return carry.target == candidate.target || stays_same(carry, candidate.value);
    });
    if (decides) return candidate.value;
  }
  return std::nullopt;
}

}  // namespace tessera
