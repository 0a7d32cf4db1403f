#pragma once

#include "codegen/llvm/contraction_formula.h"

namespace tessera {

// Between k blocks a chunk keeps the sums of its tiles, `kept_sums` elements in all. Sums over so
// many blocks that adding them up would lose digits are compensated (compensated_sum.h): what is
// lost stands as many elements behind the sums.
int64_t kept_sums(const ContractionPlan& plan);
bool is_compensated(const ContractionPlan& plan);

// Where all of k is one block and the epilogue is short, tiles finish their sums in registers, one
// vector after the other, and there is neither memory for sums nor a function `store`.
bool finishes_in_tile(const ContractionPlan& plan);

// The functions that a contraction's kernel is made of. All are internal to the module.

// tile(scratch, a, b, k0, k, sums, first): sums[r * columns + c] (+)= a[r, p] * b[p, c] for k > 0
// steps p from k0 on, which are words of a narrow product. A packed operand points at its panel of
// this k block; direct a at an array of row pointers, direct b at its first column, both for k = 0.
// `first` not 0: start from 0 instead
// of what `sums` (and what was lost) holds. A tile that finishes its sums is tile(arguments,
// scratch, fault, a, b, k0, k, m, n) and leaves none. `last_lanes` is how many lanes of the last
// vector of a direct b may be read. Of a guarded product, `careful` leaves out what the guard does,
// whatever the other operand holds; the other tiles only while that is finite.
struct TileShape {
  int rows;
  int vectors;
  int last_lanes;
  bool careful = false;
  bool edge = false;  // its rows meet the pad: a is packed, though other tiles read it in place
};
llvm::Function* emit_tile(ContractionContext& context, const TileShape& shape);

// pack(arguments, scratch, fault, first, count, stride, k0, k, panel): panel[p * stride + i] =
// operand[first + i, k0 + p], for `count` of the `stride` columns; what lies between is arbitrary.
// `side` is m for operand a, n for operand b. Of a narrow product, p counts words, which hold a
// group of steps of k each, and zeros beyond its end.
llvm::Function* emit_pack(ContractionContext& context, TileAxis side);

// Does emit_pack read that operand along k? Else along the panel.
bool packs_along_k(const ContractionContext& context, TileAxis side);

// not_finite(scratch, panel, elements, flag): sets the flag, an i1, where some element of a packed
// panel is infinite or no number. It looks at whole vectors, so at up to one beyond the panel, too.
llvm::Function* emit_not_finite(ContractionContext& context);

// head(scratch, panel, columns, rows): the first row of a packed panel of b, from the `rows` of
// words behind it: what the shift of a (narrow_product.h) adds to the sums of each column, negated.
llvm::Function* emit_head(ContractionContext& context);

// store(arguments, scratch, fault, m, rows, n, columns, sums): the epilogue on a finished tile.
llvm::Function* emit_store(ContractionContext& context);
// The epilogue at `site` on its sums, as part of another function.
void emit_finish(ContractionContext& context, llvm::IRBuilder<>& b, FormulaSite site,
                 llvm::Value* sums);

}  // namespace tessera
