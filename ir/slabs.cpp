#include "ir/slabs.h"

#include <algorithm>

namespace tessera {

void each_slab(const std::vector<int64_t>& shape, int64_t most,
               const std::function<void(const Box& slab)>& body) {
  // Of the dims from `inner` on all is in a slab; of the one before, as much as there is room for.
  size_t inner = shape.size();
  int64_t below = 1;
  Box slab{std::vector<int64_t>(shape.size(), 0), shape};
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return;
  while (inner > 0 && shape[inner - 1] <= most / below) below *= shape[--inner];
  if (inner == 0) return body(slab);
  const size_t cut = inner - 1;
  const int64_t step = std::max<int64_t>(1, most / below);
  Box outer{std::vector<int64_t>(cut, 0), {shape.begin(), shape.begin() + static_cast<long>(cut)}};
  std::vector<int64_t> at = outer.begin;
  do {
    for (size_t d = 0; d < cut; ++d) {
      slab.begin[d] = at[d];
      slab.end[d] = at[d] + 1;
    }
    for (int64_t first = 0; first < shape[cut]; first += step) {
      slab.begin[cut] = first;
      slab.end[cut] = std::min(first + step, shape[cut]);
      body(slab);
    }
  } while (advance(at, outer));
}

}  // namespace tessera
