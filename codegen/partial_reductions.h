#pragma once

#include <vector>

#include "ir/nest.h"

namespace tessera {

// Long reductions to few results, of which threads could not each take some, in two steps: one dim
// is cut into parts that are reduced side by side, and their results are reduced. How many parts
// there are depends on extents only, so results are the same on any number of threads. Contractions
// that are worth tiling, scatters, scans and what data may lead outside of a tensor stay as they
// are.
//
//   s[c] = sum[n](x[n, c])     with n = 1,000,000 and c = 8 becomes
//   s_parts[part, c] = sum[step](x[n: 15625*part + step, c]);  s[c] = sum[part](s_parts)
std::vector<Nest> in_partial_reductions(const std::vector<Nest>& nests);

}  // namespace tessera
