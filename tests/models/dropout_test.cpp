#include "models/dropout.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/interpret.h"

namespace tessera {
namespace {

TEST(Dropout, DropsTheRateAndKeepsTheMean) {
  Program p("drop");
  const Dim i("i", 100), j("j", 100);
  const Tensor x = p.input("x", {i, j});
  p.output("y", dropout(x, {i, j}, 0.25, 3));
  p.output("maps", dropout(x, {i}, 0.25, 3));
  p.output("all", dropout(x, {i, j}, 0, 3));
  Array ones = make_array(DType::f32, {100, 100});
  for (size_t k = 0; k < ones.size(); ++k) ones.set(k, 1);
  Arrays state;
  const Arrays out = interpret(p, {{"x", ones}}, state);
  EXPECT_EQ(out.at("all"), ones);
  double total = 0;
  int dropped = 0;
  for (size_t k = 0; k < ones.size(); ++k) {
    const double y = out.at("y").get(k);
    total += y;
    if (y == 0)
      ++dropped;
    else
      EXPECT_FLOAT_EQ(static_cast<float>(y), 4.0F / 3);
    EXPECT_EQ(out.at("maps").get(k), out.at("maps").get(k - k % 100));
  }
  EXPECT_NEAR(dropped, 2500, 150);
  EXPECT_NEAR(total, 10000, 200);
}

TEST(Dropout, RefusesARateOfOne) {
  const Dim i("i", 2);
  try {
    dropout(make_cast(DType::f32, index(i)), {i}, 1, 3);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_NE(
        std::string(error.what()).find("dropout with a rate of 1; allowed is 0 up to but not 1"),
        std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace tessera
