#pragma once

#include <vector>

#include "ir/nest.h"

namespace tessera {

// Nests of one kernel, with what several of its stages (stages.h) would compute again kept instead:
// a part of their formulas that costs more than a store and a load becomes a private tensor, or is
// read from the one that holds it already. Where that takes more scratch than caches hold, the
// nests stay as they are.
//
//   e = exp(x - m);  s = sum[k](e);  d = sum[k](g * exp(x - m));  r = d + g * exp(x - m)
//   becomes
//   e = exp(x - m);  s = sum[k](e);  d = sum[k](g * e);           r = d + g * e
std::vector<Nest> share_work(const std::vector<Nest>& nests);

}  // namespace tessera
