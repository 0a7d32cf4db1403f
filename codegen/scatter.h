#pragma once

#include <optional>
#include <vector>

#include "ir/nest.h"

namespace tessera {

// A guarded reduction that combines each value with what is at one place, as the adjoint of a
// gather does:
//
//   dtable[v, d] = sum[t] where(token[t] == v, dout[t, d], 0)
//     target v at position token[t], value dout[t, d]
//   share[v] = max[t] where(token[t] == v, x[t] - most[v], -inf)
//     target v at position token[t], value x[t] - most[v: token[t]]
//
// Run as written it costs |v| * |t| * |d| steps; as a scatter |t| * |d|.
struct Scatter {
  Dims targets;                 // dims of the result, sorted
  std::vector<Expr> positions;  // where along each target; not over targets
  Expr value;                   // not over targets
};

std::optional<Scatter> find_scatter(const Nest& nest);

}  // namespace tessera
