#include "ir/slabs.h"

#include <gtest/gtest.h>

#include <limits>

#include "ir/array_box.h"

namespace tessera {
namespace {

std::vector<Box> slabs(const std::vector<int64_t>& shape, int64_t most) {
  std::vector<Box> all;
  each_slab(shape, most, [&](const Box& slab) { all.push_back(slab); });
  return all;
}

TEST(Slabs, FollowOneAnotherWithoutGaps) {
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{}, {1}, {7}, {3, 4}, {2, 3, 5}, {4, 1, 3, 1}, {1, 6, 2, 2}})
    for (int64_t most = 1; most < 70; ++most) {
      size_t next = 0;
      for (const Box& slab : slabs(shape, most)) {
        EXPECT_LE(volume(slab), most);
        EXPECT_GT(volume(slab), 0);
        each_run(shape, slab, [&](size_t offset, size_t count) {
          EXPECT_EQ(offset, next);
          next += count;
        });
      }
      EXPECT_EQ(static_cast<int64_t>(next),
                volume(Box{std::vector<int64_t>(shape.size(), 0), shape}));
    }
}

TEST(Slabs, AreAsFewAsRowsAllow) {
  EXPECT_EQ(slabs({3, 4}, 8), (std::vector<Box>{{{0, 0}, {2, 4}}, {{2, 0}, {3, 4}}}));
  EXPECT_EQ(slabs({3, 4}, 12).size(), 1u);
  EXPECT_EQ(slabs({2, 4}, 3).size(), 4u);
  EXPECT_TRUE(slabs({3, 0, 1000}, 3).empty());
  constexpr int64_t kMuch = std::numeric_limits<int64_t>::max() / 4;
  EXPECT_EQ(slabs({2, kMuch, 1}, kMuch).size(), 2u);
}

}  // namespace
}  // namespace tessera
