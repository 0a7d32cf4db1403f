#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace tessera {

// The greatest of any range of numbers that stay, in constant time.
//
//   RangeMaximum m({3, 9, 1});  m.of(0, 3) == 9;  m.of(2, 3) == 1
class RangeMaximum {
 public:
  explicit RangeMaximum(std::vector<double> values) : levels_{std::move(values)} {
    for (size_t width = 1; 2 * width <= levels_[0].size(); width *= 2) {
      const std::vector<double>& below = levels_.back();
      std::vector<double> level(levels_[0].size() - 2 * width + 1);
      for (size_t i = 0; i < level.size(); ++i) level[i] = std::max(below[i], below[i + width]);
      levels_.push_back(std::move(level));
    }
  }

  // Of [begin, end), which holds a number at least.
  double of(int32_t begin, int32_t end) const {
    const auto length = static_cast<uint32_t>(end - begin);
    const auto level = static_cast<size_t>(std::bit_width(length) - 1);
    const std::vector<double>& from = levels_[level];
    return std::max(from[begin], from[end - (int32_t{1} << level)]);
  }

 private:
  std::vector<std::vector<double>> levels_;  // levels_[k][i]: of 2^k numbers from i on
};

}  // namespace tessera
