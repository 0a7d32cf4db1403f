#include "comm/clock_offset.h"

#include <gtest/gtest.h>

#include <mutex>
#include <vector>

#include "comm/local/local_group.h"

namespace tessera {
namespace {

TEST(ClockOffset, IsMeasuredToWithinItsError) {
  const std::vector<double> shifts = {0, 12.5, -300.25};
  std::vector<ClockOffset> found(3);
  run_local_ranks(3, {}, [&](Communicator& world) {
    const auto rank = static_cast<size_t>(world.rank());
    RankClock clock = steady_rank_clock();
    clock.name = std::to_string(rank);  // as if of another machine
    clock.now = [now = clock.now, shift = shifts[rank]] { return now() + shift; };
    found[rank] = measure_clock_offset(world, clock);
  });
  EXPECT_EQ(found[0].seconds, 0);
  EXPECT_EQ(found[0].error, 0);
  for (size_t rank = 1; rank < 3; ++rank) {
    EXPECT_GT(found[rank].error, 0);
    EXPECT_LT(found[rank].error, 0.1);
    EXPECT_NEAR(found[rank].seconds, -shifts[rank], found[rank].error);
  }
}

TEST(ClockOffset, OfOneClockIsNothing) {
  run_local_ranks(2, {}, [&](Communicator& world) {
    const ClockOffset offset = measure_clock_offset(world, steady_rank_clock());
    EXPECT_EQ(offset.seconds, 0);
    EXPECT_EQ(offset.error, 0);
  });
  EXPECT_NE(steady_rank_clock().name, "");
}

}  // namespace
}  // namespace tessera
