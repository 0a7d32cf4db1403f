#pragma once

#include <cstdint>

namespace tessera {

// As `//` and `%` of the language, for a divisor other than 0:
//   floor_div(-3, 2) == -2    floor_mod(-3, 2) == 1
inline int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

inline int64_t floor_mod(int64_t a, int64_t b) {
  return a - floor_div(a, b) * b;
}

}  // namespace tessera
