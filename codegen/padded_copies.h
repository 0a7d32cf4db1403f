#pragma once

#include <vector>

#include "ir/nest.h"

namespace tessera {

// Operands that contractions read through a pad, copied once with the pad around them, where the
// contractions would otherwise pack more padded elements than the copy has. From then on rows are
// read where they lie and nothing asks what is inside. One copy serves all that read alike.
//
//   y[o, c] = sum[k, e](x[i: o + k - 1 pad 0, e] * w[k, e, c])      o = 7, k = 3      becomes
//   x_padded[i, e] = x[i: i - 1 pad 0, e];  y[o, c] = sum[k, e](x_padded[i: o + k, e] * w)
std::vector<Nest> with_padded_copies(const std::vector<Nest>& nests);

}  // namespace tessera
