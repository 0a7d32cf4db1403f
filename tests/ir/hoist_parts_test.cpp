#include "ir/hoist_parts.h"

#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"

namespace tessera {
namespace {

std::string last_of(const std::string& formula) {
  const Program normal = normalize(parse(
      "program p\ndim i = 60, j = 80, k = 50\ninput a[i, k]\ninput b[k, j]\ninput c[i]\ny = " +
      formula + "\noutput y\n"));
  return print(normal.get("y").value());
}

TEST(HoistParts, ComputesADearPartOfAMapOnce) {
  EXPECT_EQ(last_of("tanh(a) * sigmoid(a) + b"), "y_1 + b");
  EXPECT_EQ(last_of("max[j](tanh(a) * sigmoid(a) + b)"), "max[j](y_1 + b)");
}

TEST(HoistParts, LeavesWhatKernelsComputeWhereItChanges) {
  EXPECT_EQ(last_of("a * c + b"), "a * c + b");
  EXPECT_EQ(last_of("tanh(a + b)"), "tanh(a + b)");
}

}  // namespace
}  // namespace tessera
