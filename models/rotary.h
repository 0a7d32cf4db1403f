#pragma once

#include "ir/functions.h"

namespace tessera {

// Rotary positions (Su et al., RoFormer, 2021): feature pair i at position p is turned by the angle
// p * base^(-i / pairs), so that products of turned queries and keys depend on distances only.
//
//   out[pair, 0] = x[pair, 0] * cos - x[pair, 1] * sin
//   out[pair, 1] = x[pair, 1] * cos + x[pair, 0] * sin
//
//   x[…, pair, part], part of extent 2, position[…]: i32  ->  […, pair, part]
//
//   Expr turned = rotary(pair, part, index(time), q);
Expr rotary(const Dim& pair, const Dim& part, const Expr& position, const Expr& x,
            double base = 10000);

}  // namespace tessera
