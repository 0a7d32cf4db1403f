#pragma once

#include <cstdint>
#include <optional>

#include "ir/nest.h"

namespace tessera {

// A guarded reduction that takes in, at each index of a result, what came before it and a bit more:
//
//   y[t] = sum[s] where(s <= t, x[s], 0)       takes in x[s] for s <= t
//   y[t] = prod[s] where(s > t, x[s], 1)       descending, takes in x[s] for s >= t + 1
//
// Run as written it costs |t| * |s| steps; as a scan, which keeps what it has, |t| + |s|.
struct Scan {
  Dim out;  // of the result
  Dim in;   // the reduced dim
  bool descending = false;
  int64_t offset = 0;  // at `out` = t, everything up to (descending: from) in = t + offset
  Expr value;          // of one index of `in`; not over `out`
};

// The scan that a nest is: one reduced dim, which a guard compares with a dim of the result that
// nothing else of the formula uses.
std::optional<Scan> find_scan(const Nest& nest);

// The steps of `scan` relative to those of its nest as written, at most 1.
double share_of_steps(const Scan& scan);

}  // namespace tessera
