#include "base/error.h"

#include <gtest/gtest.h>

#include "base/array.h"

namespace tessera {
namespace {

TEST(Error, StandsBehindItsLocation) {
  EXPECT_STREQ(UserError(SourceLocation("caps.tess", 7, 12), "no").what(), "caps.tess:7:12: no");
  EXPECT_STREQ(UserError(SourceLocation(), "no").what(), "no");
}

TEST(Error, NearestNameForgivesASlip) {
  const std::vector<std::string> names = {"hidden", "label", "mlp"};
  EXPECT_EQ(nearest_name("hiden", names), "hidden");
  EXPECT_EQ(nearest_name("lable", names), "label");
  EXPECT_EQ(nearest_name("mpl", names), "mlp");
  EXPECT_EQ(nearest_name("pixel", names), "");
}

TEST(Error, ACheckThatFailsSaysWhatAndWhere) {
  const auto fail = [] { TESSERA_CHECK(1 > 2) << "one is " << 1; };
  try {
    fail();
    FAIL();
  } catch (const InternalError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("error_test.cpp"), std::string::npos);
    EXPECT_NE(text.find("(1 > 2) does not hold. one is 1"), std::string::npos);
  }
}

TEST(Array, RefusesShapesThatOverflow) {
  try {
    make_array(DType::f64, {int64_t{1} << 40, int64_t{1} << 40});
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "an array of shape f64[1099511627776, 1099511627776] does not fit in memory");
  }
}

TEST(Array, RoundsAndDescribes) {
  Array array = make_array(DType::f32, {2});
  array.set(1, 0.1);
  EXPECT_EQ(array.get(1), static_cast<double>(0.1F));
  EXPECT_EQ(describe(array), "f32[2]");
}

}  // namespace
}  // namespace tessera
