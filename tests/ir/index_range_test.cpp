#include "ir/index_range.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "ir/functions.h"

namespace tessera {
namespace {

TEST(IndexRange, OfAffineAndQuasiAffineForms) {
  const Dim i("i", 7), k("k", 3);
  const auto range = [](const Expr& e) {
    const std::optional<IndexRange> found = index_range(e);
    return found ? std::make_pair(found->low, found->high) : std::make_pair<int64_t, int64_t>(1, 0);
  };
  EXPECT_EQ(range(2 * index(i) + index(k) - 1), std::make_pair(int64_t{-1}, int64_t{13}));
  EXPECT_EQ(range(6 - index(i)), std::make_pair(int64_t{0}, int64_t{6}));
  EXPECT_EQ(range(floordiv(index(i), 2)), std::make_pair(int64_t{0}, int64_t{3}));
  EXPECT_EQ(range(index(i) % 3), std::make_pair(int64_t{0}, int64_t{2}));
  EXPECT_EQ(affine_form(2 * index(i) - index(i)), (Affine{{{i, 1}}, 0}));
  EXPECT_EQ(affine_form(index(i) * index(k)), std::nullopt);
}

// Regression: a product of large coefficients wrapped around and could pass the check.
TEST(IndexRange, AProductThatOverflowsIsOutOfRange) {
  const Dim i("i", 4), x("x", 4);
  const Tensor t = make_tensor("t", {x}, DType::f32, Role::input);
  const Expr far = cast(DType::i64, index(i) + 1) * 2000000000 * 2000000000 * 2000000000;
  EXPECT_THROW(t.at(x, far), UserError);
  EXPECT_EQ(affine_form(far), std::nullopt);
}

TEST(IndexRange, I32ArithmeticThatWouldWrapIsRefused) {
  const Dim i("i", 4), x("x", 4);
  const Tensor t = make_tensor("t", {x}, DType::f32, Role::input);
  try {
    t.at(x, (2000000000 * index(i)) % 4, std::nullopt, SourceLocation("a.tess", 3, 5));
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(),
                 "a.tess:3:5: the index computes values from 0 to 6000000000, which i32 does not "
                 "hold; convert an operand, as in i64(i)");
  }
}

}  // namespace
}  // namespace tessera
