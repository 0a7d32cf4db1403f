#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "base/array.h"

namespace tessera {

// "" where shapes agree and every element of `found` is within `relative` of `wanted`, measured
// against the largest element (but at least 1); else the first one that is not. Types may differ.
inline std::string first_difference(const Array& found, const Array& wanted, double relative) {
  if (found.shape != wanted.shape) return describe(found) + " instead of " + describe(wanted);
  double scale = 1;
  for (size_t i = 0; i < wanted.size(); ++i)
    if (std::isfinite(wanted.get(i))) scale = std::max(scale, std::abs(wanted.get(i)));
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double a = found.get(i);
    const double b = wanted.get(i);
    if (a == b || std::abs(a - b) <= relative * scale) continue;
    return "element " + std::to_string(i) + " of " + describe(found) + " is " + std::to_string(a) +
           " instead of " + std::to_string(b);
  }
  return "";
}

}  // namespace tessera
