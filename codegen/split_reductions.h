#pragma once

#include <vector>

#include "ir/nest.h"

namespace tessera {

// A reduction over few points that reads a large tensor which another nest writes becomes a map and
// a reduction of the map's values, so that the map can run beside the writer (see join_groups.h),
// which then need not keep what it writes. `large` is in bytes.
//
//   loss = sum[t](log(total) - z[v: truth])      with z[t, v] of 8,192 numbers a row
//   terms = log(total) - z[v: truth];  loss = sum[t](terms)
std::vector<Nest> split_reductions(const std::vector<Nest>& nests, double large);

}  // namespace tessera
