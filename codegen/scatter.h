#pragma once

#include <optional>
#include <vector>

#include "ir/nest.h"

namespace tessera {

// A guarded sum that adds each value to one place, as the adjoint of a gather is:
//
//   dtable[v, d] = sum[t] where(token[t] == v, dout[t, d], 0)
//     target v at position token[t], value dout[t, d]
//
// Run as written it costs |v| * |t| * |d| steps; as a scatter |t| * |d|.
struct Scatter {
  Dims targets;                 // dims of the result, sorted
  std::vector<Expr> positions;  // where along each target; not over targets
  Expr value;                   // not over targets
};

std::optional<Scatter> find_scatter(const Nest& nest);

}  // namespace tessera
