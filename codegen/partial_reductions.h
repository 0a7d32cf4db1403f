#pragma once

#include <cstdint>
#include <vector>

#include "ir/nest.h"

namespace tessera {

// Long reductions to few results, of which threads could not each take some, in two steps: one dim
// is cut into parts that are reduced side by side, and their results are reduced. How many parts
// there are depends on extents only, so results are the same on any number of threads. Contractions
// that are worth tiling, scatters, scans and what data may lead outside of a tensor stay as they
// are.
//
// What is worth it differs between processors: `longest` points may stay in one step, and so may
// what has `enough` results of which threads can each take some; at most `most_parts` are made.
//
//   s[c] = sum[n](x[n, c])     with n = 1,000,000 and c = 8 becomes
//   s_parts[part, c] = sum[step](x[n: 15625*part + step, c]);  s[c] = sum[part](s_parts)
struct PartialLimits {
  int64_t longest = 1 << 20;
  int64_t enough = 16;
  int64_t most_parts = 64;
};
std::vector<Nest> in_partial_reductions(const std::vector<Nest>& nests,
                                        const PartialLimits& limits = {});

// The nest in `count` parts of the reduced dim in which its elements lie farthest apart, and what
// combines them. That dim has `count` indices at least.
std::vector<Nest> in_parts(const Nest& nest, int64_t count);
// That dim.
const Dim& outermost_reduced(const Nest& nest);

}  // namespace tessera
