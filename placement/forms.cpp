#include "placement/forms.h"

#include <algorithm>

namespace tessera {

int Forms::of(const Sharding& sharding) const {
  std::vector<int> digits(static_cast<size_t>(axes_), 0);
  for (size_t d = 0; d < sharding.split.size(); ++d) {
    if (!std::is_sorted(sharding.split[d].begin(), sharding.split[d].end())) return -1;
    for (const int axis : sharding.split[d])
      digits[static_cast<size_t>(axis)] = static_cast<int>(d) + 1;
  }
  for (const int axis : sharding.partial) digits[static_cast<size_t>(axis)] = partial();
  return of(digits);
}

Sharding Forms::sharding(int form, ReduceOp op) const {
  Sharding result = replicated(static_cast<size_t>(base_ - 2));
  result.op = op;
  for (int axis = 0; axis < axes_; ++axis, form /= base_) {
    const int digit = form % base_;
    if (digit == partial())
      result.partial.push_back(axis);
    else if (digit > 0)
      result.split[static_cast<size_t>(digit - 1)].push_back(axis);
  }
  return result;
}

bool Forms::is_partial(int form) const {
  for (int axis = 0; axis < axes_; ++axis, form /= base_)
    if (form % base_ == partial()) return true;
  return false;
}

}  // namespace tessera
