#pragma once

#include <gtest/gtest.h>

#include <cmath>

#include "base/array.h"

namespace tessera {

// Same type, shape and values: floats within `relative` of the larger magnitude of the array's
// scale, NaN and infinities alike, integers and booleans exactly.
inline void expect_close(const Array& found, const Array& wanted, double relative,
                         const std::string& what) {
  ASSERT_EQ(describe(found), describe(wanted)) << what;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double a = found.get(i);
    const double b = wanted.get(i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!is_float(wanted.type)) {
      ASSERT_EQ(a, b) << what << " element " << i;
    }
    ASSERT_LE(std::abs(a - b), relative * (1 + std::max(std::abs(a), std::abs(b))))
        << what << " element " << i << ": " << a << " instead of " << b;
  }
}

}  // namespace tessera
