#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codegen/kernel_group.h"
#include "codegen/pair_body.h"
#include "ir/nest.h"

namespace tessera {

// A reduction over pairs of elements, seen as a batch of matrix products by how its loop indices
// are used:
//
//   in both operands and the result          batch
//   in one operand and the result            m (operand a) or n (operand b)
//   reduced                                  k (an operand without it is broadcast along it)
//
// Each role holds any number of dims, and the operands are arbitrary scalar formulas over them, so
// that matmul, convolution, attention and capsules are one thing:
//
//   caps[batch, oy, ox, cout, row, col] = sum[ky, kx, cin, mid](pose[y: 2*oy + ky, …] * w)
//   m = batch, oy, ox, row    n = cout, col    k = ky, kx, cin, mid    batch = nothing
struct Contraction {
  Nest nest;
  DType type = DType::f32;  // of what is combined and of the result: f32, f64, i32 or i64
  Dims batch, m, n, k;      // sorted
  Expr a;                   // over dims of batch, m and k
  Expr b;                   // over dims of batch, n and k
  // Factors that multiply the sum instead of each product: numbers, and one without reduced dims
  // that would otherwise join m and n.
  std::optional<Expr> scale;
  std::optional<PairBody> pair;  // what is combined by nest.op; nothing: a * b, by a sum
  // Products are left out where a, or b, is -0, and nowhere else is it (guarded_product.h).
  bool guarded_a = false, guarded_b = false;
};

// The contraction that a nest is, or nothing. No loop is empty, and the body is either summed up
// and a product of factors of a number type that can be split into two operands with a non-empty m
// and n: of all splits the one with the largest smaller side of m and n, then the smallest
// operands, then the fewest products to pack them, is taken, and a is the factor group that holds
// the first factor. Or it is a pairing
// (pair_body.h), which is neither a scatter nor a scan.
std::optional<Contraction> find_contraction(const Nest& nest);

// A contraction and the maps over its result that run on each tile while it is hot.
struct ContractionGroup {
  Contraction contraction;
  std::vector<Nest> epilogue;  // without an op, over the dims of the result, in order
  std::vector<Tensor> inputs;  // of the kernel group, in its order
  std::vector<Tensor> outputs;
  // One thread runs all of it, many times in a row, as a part of a block (blocked_group.h); operand
  // a, or b, is then the same as before, so that it may stay packed.
  bool in_block = false, stays_a = false, stays_b = false;

  // inputs, then outputs: the order of a kernel's arguments
  std::vector<Tensor> arguments() const;
};

// The group as a contraction with an epilogue, or nothing when it is not one. Maps in front of the
// contraction that only it reads are computed while operands are packed.
std::optional<ContractionGroup> find_contraction(const KernelGroup& group);

// The same with m and n, a and b exchanged.
Contraction swapped(const Contraction& contraction);
ContractionGroup swapped(const ContractionGroup& group);

// Is there enough reuse (m, n, k and work large enough) that register tiles and packing beat the
// general loop nest? Matrix-vector and outer products are not worth it.
bool worth_tiling(const Contraction& contraction);

// "m = batch, row; n = cout, col; k = ky, cin; batch = no dims"
std::string describe(const Contraction& contraction);

}  // namespace tessera
