#pragma once

#include <vector>

#include "ir/functions.h"

namespace tessera {

// Mixtures of experts with bounded capacity: every expert has a fixed number of slots, tokens take
// them in order, and a token that finds none free is passed over (its output is 0).

// Where one choice of every token goes. All are over [..., token].
struct Route {
  Tensor expert;  // i32
  Tensor slot;    // i32, may be beyond the last slot
  Tensor gate;    // the weight of the expert's answer
};

// Each token's best expert, weighted by its probability (Switch; Fedus, Zoph and Shazeer, 2021).
//   logits[…, token, expert]  ->  one route
std::vector<Route> route_top1(const Dim& token, const Dim& expert, const Expr& logits);

// The two best, weighted by their probabilities, which are scaled to sum to 1 (GShard; Lepikhin et
// al., 2020). Second choices take slots after all first ones; none are dropped at random.
//   logits[…, token, expert]  ->  two routes
std::vector<Route> route_top2(const Dim& token, const Dim& expert, const Expr& logits);

// The tokens as the experts see them; free slots hold 0.
//   x[…, token]  ->  […, expert, slot]
Expr dispatch(const std::vector<Route>& routes, const Dim& token, const Dim& expert,
              const Dim& slot, const Expr& x);

// The experts' answers, weighted and back at their tokens.
//   answer[…, expert, slot]  ->  […, token]
//
//   std::vector<Route> routes = route_top2(token, expert, sum(model, x * w_gate));
//   Expr seen = dispatch(routes, token, expert, slot, x);           // […, expert, slot, model]
//   Expr y = combine(routes, expert, slot, mlp_block(…, seen, …));  // weights over expert, too
Expr combine(const std::vector<Route>& routes, const Dim& expert, const Dim& slot,
             const Expr& answer);

// experts * sum over experts of (share of the tokens whose first choice it is) * (mean
// probability); 1 where all are used alike (Fedus et al., 2021, eq. 4).  logits[…, token, expert]
Expr load_balancing_loss(const Dim& token, const Dim& expert, const Expr& logits);

}  // namespace tessera
