#pragma once

#include <cstdint>
#include <vector>

#include "ir/index_range.h"

namespace tessera {

struct ContractionLayout;

// Where a padded read may leave its tensor: an index, which is outside below 0 and from `extent`
// on.
//
//   x[y: oy + ky - 1 pad 0, c]   {oy + ky - 1, extent of y}
struct PadEdge {
  Affine index;
  int64_t extent;
};
std::vector<PadEdge> edges_of(const Read& read);

// The share of panels of so many rows of m that meet a pad for some k or batch. Of many panels some
// are looked at.
double edge_share(const Read& a, const ContractionLayout& layout, int rows);

// Steps of k for which all that a panel of n holds is pad: k in runs of equal length, and for each
// column which of them are pad, whatever the batch is.
//
//   w[ky: p + 2*s pad 0, ci, co] with n = p, co and k = s, ci; p = 0, 1, s = 0, 1, ky = 3:
//   runs of ci steps; for columns of p = 1 the second one, which would be ky = 3, is pad
struct PadRuns {
  int64_t run = 0;                // steps; 0 when no run is known to be pad
  int64_t runs = 0;               // up to 64
  std::vector<uint64_t> outside;  // by column: a bit for each run

  // The runs that something is multiplied in for a panel.
  uint64_t live(int64_t begin, int64_t columns) const;
  // The share of all runs of all panels of that width.
  double live_share(int64_t columns) const;
};
// Without runs shorter than `least`, which are not worth it.
PadRuns pad_runs(const Read& b, const ContractionLayout& layout, int64_t least);

}  // namespace tessera
