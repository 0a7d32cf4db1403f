#include "ir/with_constants.h"

#include <gtest/gtest.h>

#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/print.h"

namespace tessera {
namespace {

std::string normal_form(const std::string& text) {
  return print(normalize(parse(text)));
}

// The derivative of a loss by itself is 1; a product with it is the other factor.
TEST(WithConstants, AGradientIsMultipliedByNoOne) {
  const std::string normal = normal_form(
      "program p\ndim i = 4, j = 3, k = 5\ninput x[i, k]\ninput d_out[i, j]\nparam w[k, j] = 0\n"
      "y = sum[k](x * w)\nthrough = sum[i, j](y * d_out)\ndw = grad(through, w)\noutput dw\n");
  EXPECT_NE(normal.find("sum[i](d_out * x)"), std::string::npos) << normal;
  EXPECT_EQ(normal.find("1.0"), std::string::npos) << normal;
}

TEST(WithConstants, WhatReductionsAndPadsNeedIsRead) {
  const std::string normal = normal_form(
      "program p\ndim i = 4, j = 4\nc[i] = 2.0\nn = sum[i](c)\n"
      "y[j] = c[i: j - 1 pad 0]\nz[i] = c * c\noutput n\noutput y\noutput z\n");
  EXPECT_NE(normal.find("sum[i](c)"), std::string::npos) << normal;
  EXPECT_NE(normal.find("c[i: j - 1 pad 0.0]"), std::string::npos) << normal;
  EXPECT_EQ(normal.find("c * c"), std::string::npos) << normal;
  EXPECT_NE(normal.find("4.0"), std::string::npos) << normal;
}

}  // namespace
}  // namespace tessera
