#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ir/expr.h"

namespace tessera {

// Loops are recurrences. A carried tensor has the dim that is iterated among its dims: it stands
// for the values before every iteration. So formulas about it, their gradients and their shardings
// need no rules of their own; only the order of computing does (see sequence.h).
//
//   h[t, …] = initial[…]                 at t = 0
//           = (what it is updated with)[t - 1, …]   afterwards
//
// What does not depend on carried tensors is computed for all iterations at once, before or after
// the loop.
//
//   Dim t("t", 10);
//   Loop power = loop(t, {x0}, [&](const std::vector<Tensor>& carried) {
//     const Expr next = sum(j, a * carried[0].at(i, index(j)));
//     return Iteration{{next / norm(i, next)}, {norm(i, next)}, {}};
//   });
//   power.last[0]     // after ten iterations, over i
//   power.each[0]     // the norms, over t

// What one iteration computes from the carried tensors.
struct Iteration {
  std::vector<Expr> next;           // one for each carried tensor
  std::vector<Expr> each;           // values to collect, of all iterations
  std::optional<Expr> while_holds;  // a bool about the carried tensors; false ends the loop
};

struct Loop {
  std::vector<Tensor> last;  // what the carried tensors hold after the last iteration
  std::vector<Tensor> each;  // the collected values, over `over` and their own dims
};

using LoopBody = std::function<Iteration(const std::vector<Tensor>& carried)>;

// Iterates over 0 … over.extent()-1. A carried value may have more dims after an iteration than
// `initial` gives it: `initial` is then repeated along them (so loops lift like everything else),
// and the body is called again. Where `while_holds` is false, for each element of its dims on its
// own, the carried values stay as they are; nothing can be collected then. A literal in `initial`
// takes the type of what the body makes of it. UserError when a value changes its type or swaps one
// dim for another.
// `names` are those of the carried values, for messages and printed programs; `dims` are dims that
// they have from the beginning beside those of `initial`, for a body that asks for them by name.
Loop loop(const Dim& over, const std::vector<Expr>& initial, const LoopBody& body,
          const SourceLocation& where = std::source_location::current(),
          const std::vector<std::string>& names = {}, const std::vector<Dims>& dims = {});

// The dims that are iterated where `value`, made in the body of a loop, is computed from what is
// carried. After the loop there are none.
Dims iterated_around(const Tensor& value);

}  // namespace tessera
