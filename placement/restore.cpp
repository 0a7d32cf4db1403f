#include <algorithm>

#include "placement/presolve.h"

namespace tessera {

Values restore(const Reduced& reduced, const Values& values) {
  Values original(reduced.original_size, -1);
  for (size_t i = 0; i < values.size(); ++i)
    original[reduced.variable[i]] = reduced.value[i][values[i]];
  for (auto it = reduced.folded.rbegin(); it != reduced.folded.rend(); ++it) {
    size_t at = 0;
    for (size_t p = 0; p < it->parents.size(); ++p)
      at = at * it->domains[p] + original[it->parents[p]];
    original[it->variable] = it->choice[at];
  }
  return original;
}

Values project(const Reduced& reduced, const Values& original) {
  Values values(reduced.value.size(), 0);
  for (size_t i = 0; i < values.size(); ++i) {
    const std::vector<int32_t>& kept = reduced.value[i];
    const std::vector<int32_t>& instead = reduced.instead[reduced.variable[i]];
    int32_t value = original[reduced.variable[i]];
    while (!instead.empty() && instead[value] >= 0) value = instead[value];
    auto found = std::find(kept.begin(), kept.end(), value);
    auto costs = reduced.network.unary(static_cast<int32_t>(i));
    values[i] =
        found != kept.end()
            ? static_cast<int32_t>(found - kept.begin())
            : static_cast<int32_t>(std::min_element(costs.begin(), costs.end()) - costs.begin());
  }
  return values;
}

}  // namespace tessera
