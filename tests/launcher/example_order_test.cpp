#include "launcher/example_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "launcher/prefetch.h"

namespace tessera {
namespace {

// 103 examples in blocks of 4, 3 blocks together.
ExampleOrder in_windows(uint64_t seed) {
  return {103,
          10,
          seed,
          {.most_bytes = 100, .most_examples = 1000, .block_bytes = 40, .blocks_together = 3}};
}

std::vector<int64_t> epoch_of(ExampleOrder& order, int64_t epoch) {
  std::vector<int64_t> found;
  for (int64_t i = 0; i < 103; ++i) found.push_back(order.at(epoch, i));
  return found;
}

TEST(ExampleOrder, HasEveryExampleOnceInEachEpoch) {
  ExampleOrder order = in_windows(1);
  std::vector<std::vector<int64_t>> epochs;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    epochs.push_back(epoch_of(order, epoch));
    EXPECT_EQ(std::set<int64_t>(epochs.back().begin(), epochs.back().end()).size(), 103u);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
  ExampleOrder other = in_windows(2);
  EXPECT_NE(epoch_of(other, 0), epochs[0]);
}

TEST(ExampleOrder, IsAFunctionOfEpochAndPosition) {
  ExampleOrder order = in_windows(1);
  const std::vector<int64_t> epoch = epoch_of(order, 1);
  ExampleOrder again = in_windows(1);
  for (const int64_t position : {100, 3, 50, 51, 0, 102})
    EXPECT_EQ(again.at(1, position), epoch[static_cast<size_t>(position)]);
}

TEST(ExampleOrder, OfALargeSetStaysInAFewBlocksAndSaysWhichComeNext) {
  ExampleOrder order = in_windows(1);
  std::set<int64_t> announced;
  for (int64_t begin = 0; begin < 96; begin += 12) {
    std::set<int64_t> blocks;
    for (int64_t i = begin; i < begin + 12; ++i) {
      const int64_t example = order.at(0, i);
      blocks.insert(example / 4);
      if (begin > 0 && i == begin) {
        EXPECT_EQ(announced.count(example / 4), 1u) << i;
      }
      for (const ExampleOrder::Range& range : order.take_upcoming())
        announced.insert(range.first / 4);
    }
    EXPECT_LE(blocks.size(), 4u) << "a short block may move the windows";
  }
}

TEST(Prefetcher, GivesTheStepsInOrderAndAheadOfTime) {
  std::mutex mutex;
  std::set<int64_t> filled;
  Prefetcher ahead({{4}, 3, 50, 4}, [&](int64_t step, Prefetcher::Buffers& into) {
    into[0][0] = static_cast<std::byte>(step);
    const std::lock_guard lock(mutex);
    filled.insert(step);
  });
  for (int64_t step = 3; step < 50; ++step) {
    EXPECT_EQ(ahead.take(step)[0][0], static_cast<std::byte>(step));
    const std::lock_guard lock(mutex);
    EXPECT_LT(*filled.rbegin(), step + 4);
  }
}

TEST(Prefetcher, ThrowsWhatFillingThrewAtItsStep) {
  Prefetcher ahead({{1}, 0, 9, 4}, [&](int64_t step, Prefetcher::Buffers&) {
    if (step == 2) throw std::runtime_error("gone");
  });
  ahead.take(0);
  ahead.take(1);
  EXPECT_THROW(ahead.take(2), std::runtime_error);
}

}  // namespace
}  // namespace tessera
