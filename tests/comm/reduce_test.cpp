#include "comm/reduce.h"

#include <gtest/gtest.h>

#include "base/convert.h"
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

TEST(Reduce, SmallTypesWrapAndRoundAfterEachStep) {
  const int8_t a = 100, b = 100;
  int8_t wrapped = 0;
  reduce(DType::i8, ReduceOp::sum, &wrapped, std::vector<const void*>{&a, &b}, 1);
  EXPECT_EQ(wrapped, -56);
  const uint8_t c = 200, d = 3;
  uint8_t most = 0;
  reduce(DType::u8, ReduceOp::max, &most, std::vector<const void*>{&c, &d}, 1);
  EXPECT_EQ(most, 200);
  // 256 + 1 is 256 in bf16, and 257 in f16.
  const uint16_t big = f32_to_bf16(256), one = f32_to_bf16(1);
  uint16_t out = 0;
  reduce(DType::bf16, ReduceOp::sum, &out, std::vector<const void*>{&big, &one, &one}, 1);
  EXPECT_EQ(bf16_to_f32(out), 256);
  reduce(DType::bf16, ReduceOp::sum, &out, std::vector<const void*>{&one, &one, &big}, 1);
  EXPECT_EQ(bf16_to_f32(out), 258);
  const uint16_t half_big = f32_to_f16(256), half_one = f32_to_f16(1), nan = 0x7e00;
  reduce(DType::f16, ReduceOp::sum, &out, std::vector<const void*>{&half_big, &half_one}, 1);
  EXPECT_EQ(f16_to_f32(out), 257);
  reduce(DType::f16, ReduceOp::min, &out, std::vector<const void*>{&half_big, &nan}, 1);
  EXPECT_TRUE(std::isnan(f16_to_f32(out)));
}

TEST(Reduce, SmallFloatsMayBeManyAndInPlace) {
  constexpr size_t kCount = 3000;
  std::vector<std::vector<uint16_t>> data(3, std::vector<uint16_t>(kCount));
  std::vector<uint16_t> wanted(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    for (int r = 0; r < 3; ++r) data[static_cast<size_t>(r)][i] = f32_to_bf16(element<float>(r, i));
    const float first = bf16_to_f32(f32_to_bf16(bf16_to_f32(data[0][i]) + bf16_to_f32(data[1][i])));
    wanted[i] = f32_to_bf16(first + bf16_to_f32(data[2][i]));
  }
  const std::vector<const void*> sources = {data[0].data(), data[1].data(), data[2].data()};
  reduce(DType::bf16, ReduceOp::sum, data[2].data(), sources, kCount);
  EXPECT_EQ(data[2], wanted);
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
