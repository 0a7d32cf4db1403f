#pragma once

#include <optional>
#include <vector>

#include "ir/guards.h"

namespace tessera {

// Equations that are told by a remainder, as whoever writes a strided window backwards tells them:
//
//   (o - k) // 2 == y and (o - k) % 2 == 0     is     o - k == 2*y
//
// The conditions, of which all must hold, with an equation in place of such pairs. The dividend of
// the two may differ by a constant.
std::vector<Expr> join_remainders(const std::vector<Expr>& conditions);

// A sum's value that reads where a division tells, with the quotient as a dim of its own:
//
//   where((o - k) % 2 == 0, x[y: (o - k) // 2 pad 0] * w, 0)
//   sum[y](where(o - k == 2*y, x[y] * w, 0))
//
// `guarded` is what the sum over `quotient` guards; its condition at `place` is the equation.
struct Unfolded {
  GuardedValue guarded;
  Dim quotient;
};

// Takes the remainder that the condition at `place` of a sum tells. Nothing where it tells none, or
// where a quotient outside of what is read adds something.
std::optional<Unfolded> unfold_remainder(const GuardedValue& guarded, size_t place);

}  // namespace tessera
