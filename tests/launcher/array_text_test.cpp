#include "launcher/array_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tessera {
namespace {

TEST(ArrayText, ShowsIntegersExactly) {
  Array array = make_array(DType::i64, {2});
  array.as<int64_t>()[0] = (int64_t{1} << 53) + 1;
  array.as<int64_t>()[1] = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(element_text(array, 0), "9007199254740993");
  EXPECT_EQ(element_json(array, 0).dump(), "9007199254740993");
  EXPECT_EQ(element_text(array, 1), "-9223372036854775808");
  EXPECT_EQ(element_json(array, 1).dump(), "-9223372036854775808");
}

TEST(ArrayText, ShowsEveryTypeAsWhatItIs) {
  const auto shown = [](DType type, double value) {
    Array array = make_array(type, {});
    array.set(0, value);
    return element_text(array, 0) + " " + element_json(array, 0).dump();
  };
  EXPECT_EQ(shown(DType::u8, 255), "255 255");
  EXPECT_EQ(shown(DType::i8, -128), "-128 -128");
  EXPECT_EQ(shown(DType::b8, 1), "1 1");
  EXPECT_EQ(shown(DType::f32, 0.5), "0.5 0.5");
  EXPECT_EQ(shown(DType::f32, 2), "2 2.0");
  EXPECT_EQ(shown(DType::f64, NAN), "nan null");
}

}  // namespace
}  // namespace tessera
