#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "codegen/contraction.h"
#include "codegen/pad_runs.h"
#include "ir/index_range.h"

namespace tessera {

// One loop of a role: one dim, or several that every access walks as if they were one (batch and
// row of a dense matrix), known by the innermost of them, whose coefficient is the step.
struct IndexLevel {
  Dim dim;
  int64_t extent;
};
using IndexLevels = std::vector<IndexLevel>;  // outermost first; extents of 1 are left out

// The loops of a contraction in the order in which they are flattened into one number a role.
//
//   caps above, output order batch, oy, ox, cout, row, col:
//   m = batch, oy, ox, row    n = cout, col    k = ky, kx, cin, mid
struct ContractionLayout {
  IndexLevels batch, m, n, k;
  PadRuns pads_of_b;  // known where a schedule is chosen
};

// Orders m, n and batch by their strides in the result, k by its strides in the operands, and
// merges neighbours where every access allows it.
ContractionLayout layout_of(const ContractionGroup& group);

int64_t volume(const IndexLevels& levels);
// Elements that `form` advances when this level's index grows by one.
int64_t step_of(const Affine& form, const IndexLevel& level);
// The step when the flattened index grows by one, if that is the same everywhere.
std::optional<int64_t> single_step(const Affine& form, const IndexLevels& levels);
// The step of the innermost level; 0 when there is none.
int64_t inner_step(const Affine& form, const IndexLevels& levels);
// Are neighbours along the innermost level one element, or elements that follow one another, so
// that one instruction reads a vector of them?
bool is_read_at_once(const Affine& form, const IndexLevels& levels);
// The largest power of two, up to `limit`, such that aligned pieces of that size of the flattened
// index vary in the innermost level only; `limit` itself when there is one level.
int64_t piece_within(const IndexLevels& levels, int64_t limit);

// Do `width` neighbours from a multiple of it on vary in the innermost level only?
bool stays_in_run(const IndexLevels& levels, int64_t width);

// Offset in elements of what a read without gathers touches (of a padded read, where it is inside).
std::optional<Affine> address_of(const Read& read);
// The offset of the element that a nest writes.
Affine address_of(const Tensor& written);

}  // namespace tessera
