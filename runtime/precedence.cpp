#include "runtime/precedence.h"

#include "base/error.h"

namespace tessera {

Precedence::Precedence(const std::vector<std::vector<int>>& depends)
    : words_((depends.size() + 63) / 64), ancestors_(words_ * depends.size(), 0) {
  for (size_t task = 0; task < depends.size(); ++task) {
    uint64_t* row = &ancestors_[task * words_];
    for (int dependency : depends[task]) {
      const auto d = static_cast<size_t>(dependency);
      TESSERA_CHECK(d < task) << "task " << task << " depends on the later task " << d;
      const uint64_t* other = &ancestors_[d * words_];
      for (size_t w = 0; w < words_; ++w) row[w] |= other[w];
      row[d / 64] |= uint64_t{1} << (d % 64);
    }
  }
}

bool Precedence::before(int first, int second) const {
  const auto f = static_cast<size_t>(first);
  return (ancestors_[static_cast<size_t>(second) * words_ + f / 64] >> (f % 64) & 1) != 0;
}

}  // namespace tessera
