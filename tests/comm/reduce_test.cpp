#include "comm/reduce.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "comm/blocks.h"
#include "comm/call.h"
#include "tests/comm/test_data.h"

namespace tessera {
namespace {

TEST(Reduce, CombinesInOrderOfSources) {
  const float big = 1e8f, one = 1.0f, minus = -1e8f;
  float out = 0;
  reduce(DType::f32, ReduceOp::sum, &out, std::vector<const void*>{&big, &minus, &one}, 1);
  EXPECT_EQ(out, 1.0f);
  reduce(DType::f32, ReduceOp::sum, &out, std::vector<const void*>{&big, &one, &minus}, 1);
  EXPECT_EQ(out, 0.0f);
}

TEST(Reduce, MayWriteOverAnySource) {
  constexpr size_t kCount = 9001;
  for (int target = 0; target < 4; ++target) {
    std::vector<std::vector<double>> data;
    std::vector<const void*> sources;
    for (int r = 0; r < 4; ++r) data.push_back(elements<double>(r, kCount));
    for (const auto& one : data) sources.push_back(one.data());
    reduce(DType::f64, ReduceOp::sum, data[target].data(), sources, kCount);
    EXPECT_EQ(data[target], reduced<double>(4, ReduceOp::sum, kCount));
  }
}

TEST(Reduce, IntegersWrap) {
  const int32_t a = INT32_MAX, b = 1;
  int32_t out = 0;
  reduce(DType::i32, ReduceOp::sum, &out, std::vector<const void*>{&a, &b}, 1);
  EXPECT_EQ(out, INT32_MIN);
}

TEST(Reduce, SlicesCoverEverything) {
  for (const size_t count : {0, 1, 63, 64, 65, 1000, 100'003})
    for (const size_t parts : {1, 2, 3, 5, 64}) {
      size_t next = 0;
      for (size_t i = 0; i < parts; ++i) {
        const Slice slice = slice_of(count, parts, i);
        EXPECT_EQ(slice.begin, next);
        next += slice.size;
      }
      EXPECT_EQ(next, count);
    }
}

TEST(Split, OrdersByKeyThenRank) {
  const std::vector<SplitEntry> entries = {{0, 5, 0}, {1, 0, 1}, {0, 5, 2}, {0, -1, 3}, {-1, 0, 4}};
  const SplitGroup group = split_group(entries, 2);
  EXPECT_EQ(group.world_ranks, (std::vector<int>{3, 0, 2}));
  EXPECT_EQ(group.rank, 2);
  EXPECT_EQ(group.leader, 3);
  EXPECT_EQ(split_group(entries, 4).rank, -1);
}

TEST(Call, NamesRanks) {
  EXPECT_EQ(name_ranks({2}), "rank 2");
  EXPECT_EQ(name_ranks({0, 2}), "ranks 0 and 2");
  EXPECT_EQ(name_ranks({0, 2, 5}), "ranks 0, 2 and 5");
}

}  // namespace
}  // namespace tessera
