#include "models/mixture_of_experts.h"

#include <limits>

#include "models/layers.h"

namespace tessera {
namespace {

// How many tokens before this one chose the same expert. |token|^2 comparisons.
Expr place_in_line(const Dim& token, const Tensor& choice) {
  const Dim earlier("earlier", token.extent());
  const Expr ahead =
      index(earlier) < index(token) && equal(choice.at(token, index(earlier)), choice);
  return sum(earlier, where(ahead, 1, 0));
}

// How many tokens in all took `choice` as their first one. Over the dims of `choice`.
Expr line_length(const Dim& token, const Tensor& first, const Tensor& choice) {
  const Dim other("other", token.extent());
  return sum(other, where(equal(first.at(token, index(other)), choice), 1, 0));
}

}  // namespace

std::vector<Route> route_top1(const Dim& token, const Dim& expert, const Expr& logits) {
  const Tensor chance = softmax(expert, logits);
  const Tensor best = argmax(expert, logits);
  return {{best, place_in_line(token, best), chance.at(expert, best)}};
}

std::vector<Route> route_top2(const Dim& token, const Dim& expert, const Expr& logits) {
  const Tensor chance = softmax(expert, logits);
  const Tensor best = argmax(expert, logits);
  const Expr taken = equal(best, index(expert));
  const Tensor next =
      argmax(expert, where(taken, -std::numeric_limits<double>::infinity(), logits));
  const Tensor gate1 = chance.at(expert, best);
  const Tensor gate2 = chance.at(expert, next);
  const Expr total = gate1 + gate2;
  const Expr after_first = line_length(token, best, next);
  return {{best, place_in_line(token, best), gate1 / total},
          {next, after_first + place_in_line(token, next), gate2 / total}};
}

Expr dispatch(const std::vector<Route>& routes, const Dim& token, const Dim& expert,
              const Dim& slot, const Expr& x) {
  Expr seen = make_cast(x.type(), 0);
  for (const Route& route : routes) {
    const Expr here = equal(route.expert, index(expert)) && equal(route.slot, index(slot));
    seen = seen + sum(token, where(here, x, 0));
  }
  return seen;
}

Expr combine(const std::vector<Route>& routes, const Dim& expert, const Dim& slot,
             const Expr& answer) {
  const int last = static_cast<int>(slot.extent()) - 1;
  Expr result = make_cast(answer.type(), 0);
  for (const Route& route : routes) {
    const Expr own = answer.at(expert, route.expert).at(slot, min(route.slot, last));
    result = result + where(route.slot <= last, route.gate * own, 0);
  }
  return result;
}

Expr load_balancing_loss(const Dim& token, const Dim& expert, const Expr& logits) {
  const Tensor best = argmax(expert, logits);
  const Expr share = mean(token, cast(logits.type(), equal(best, index(expert))));
  const Expr chance = mean(token, softmax(expert, logits));
  return static_cast<double>(expert.extent()) * sum(expert, share * chance);
}

}  // namespace tessera
