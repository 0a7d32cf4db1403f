#pragma once

#include <optional>

#include "ir/nest.h"

namespace tessera {

// What a reduction combines at a point, as a formula of one element of each of two operands. A
// product is the most frequent one, but any body of two operands has the reuse that register tiles
// are for.
//
//   d[i, j] = sum[k]((x - c) * (x - c))     left = x[i, k], right = c[j, k], value = (left -
//   right)² best[i, j] = min[k](x + c)              left = x, right = c, value = left + right
struct PairBody {
  Tensor left, right;  // without dims: they stand for the elements
  Expr value;          // over these two and constants
};

// Such a view of a nest: what runs along m and n is in one operand each.
struct Pairing {
  Dims batch, m, n;  // sorted
  Expr a, b;         // over batch, m and reduced dims; over batch, n and reduced dims
  PairBody body;
};

// The pairing with the most reuse, or nothing: the reduction is of f32, f64, i32 or i64, reads no
// more than two different things that depend on indices, and costs little enough at a point that
// loading its operands counts. Operands that may lead outside a tensor are not taken out of a
// `where`.
std::optional<Pairing> find_pairing(const Nest& nest);

// Cycles of a vector unit for each pair, in multiply-adds.
double cycles_of(const PairBody& body, ReduceOp op);

}  // namespace tessera
