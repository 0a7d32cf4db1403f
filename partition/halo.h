#pragma once

#include <optional>
#include <vector>

#include "partition/loop_parts.h"
#include "partition/reshard.h"
#include "partition/sharded_program.h"

namespace tessera {

// The ranges of one dim that the ranks of a group need, when a loop that they share runs through a
// larger index. Ranges of neighbours may overlap; out of the tensor they are cut off.
//
//   out[oy] = sum[ky](image[y: 2*oy + ky] * w), oy = 6 and ky = 3 on a=2:
//   image is needed at y 0 … 6 on the first rank and 6 … 12 on the second
//   and its gradient, dx[y] = sum[oy, ky](where(2*oy + ky == y, g[oy] * w[ky], 0)), y = 13 on a=2:
//   g is needed at oy 0 … 3 on the first rank and 3 … 5 on the second
//   fine[y] = coarse[u: y // 2], y = 12 on a=2:  u 0 … 2 and 3 … 5, what each owns
//   around[x] = ring[x: (x + 1) % 12], x on a=2:  x 1 … 6 and 7 … 12, where 12 is 0
struct HaloWindow {
  int dim = 0;                    // position among the tensor's dims
  Axes axes;                      // the group
  std::vector<Interval> members;  // by place in the group; beyond the extent, the dim begins again

  bool operator==(const HaloWindow&) const = default;
};

// Another way to serve an operand than NestRules::operand_sharding, which asks for it whole where
// an index is not plain: split it as `base`, then let the ranks exchange what their windows lack.
struct HaloDemand {
  Sharding base;  // without unit axes
  std::vector<HaloWindow> windows;
};
// Operands that read one tensor, as the neighbours of a point in a stencil, share windows that hold
// what each of them needs, where these are no larger than theirs together.
//
//   w[x: x - 1 pad 0] + w[x: x + 1 pad 0], x = 8 on a=2:  both read w at 0 … 4 and 3 … 7
std::optional<HaloDemand> halo_demand(const NestRules& rules, size_t operand,
                                      const Assignment& assignment, const Mesh& mesh);
// Could there be one under some assignment?
bool may_have_windows(const NestRules& rules, size_t operand);

// How a dim of `extent` is exchanged: as a halo where all get what they lack from those before and
// after them in the group, of which the first follows the last; or as a window. Nothing where
// nobody lacks anything. All ranks find the same.
std::optional<CommKind> exchange_kind(const HaloWindow& window, int64_t extent, const Mesh& mesh);
// What the member at place `me` of the group sends and receives; see CommStep.
struct HaloPieces {
  std::vector<Piece> sends;
  std::vector<Piece> receives;
};
HaloPieces pieces_of(const HaloWindow& window, int64_t extent, const Mesh& mesh, int me);
// What the busiest rank sends or receives in the exchange of one window, whichever is more.
int64_t halo_bytes(const TensorShape& shape, const Sharding& base, const HaloWindow& window,
                   const Mesh& mesh);
// Of all windows, from a tensor that lies as `base`.
double halo_seconds(const TensorShape& shape, const HaloDemand& demand, const Mesh& mesh,
                    const CommCost& cost);

}  // namespace tessera
