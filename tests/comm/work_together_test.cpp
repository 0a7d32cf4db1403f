#include "comm/work_together.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "base/error.h"
#include "comm/local/local_group.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTimeout{1000};
constexpr milliseconds kSign{100};

TEST(WorkTogether, LongWorkOfOneRankIsNoSilence) {
  std::array<std::atomic<int>, 3> done{};
  run_local_ranks(3, {.timeout = kTimeout}, [&](Communicator& world) {
    work_together(
        world, "planning",
        [&] {
          if (world.rank() == 0) std::this_thread::sleep_for(2 * kTimeout);
          ++done[static_cast<size_t>(world.rank())];
        },
        kSign);
    EXPECT_EQ(done[0], 1) << "a rank went on before rank 0 had done its work";
    world.barrier();
  });
  for (const std::atomic<int>& count : done) EXPECT_EQ(count, 1);
}

TEST(WorkTogether, ARankThatNeverComesIsMissedInTime) {
  try {
    run_local_ranks(2, {.timeout = kTimeout}, [&](Communicator& world) {
      if (world.rank() == 1) {
        std::this_thread::sleep_for(3 * kTimeout);
        return;
      }
      work_together(
          world, "planning", [] {}, kSign);
    });
    FAIL() << "nobody missed rank 1";
  } catch (const CommError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("planning"));
  }
}

TEST(WorkTogether, AnErrorOfTheWorkIsWhatAllRanksSee) {
  EXPECT_THROW(run_local_ranks(3, {.timeout = kTimeout},
                               [&](Communicator& world) {
                                 work_together(
                                     world, "planning",
                                     [&] {
                                       if (world.rank() == 0) throw UserError("no plan fits");
                                     },
                                     kSign);
                               }),
               UserError);
}

TEST(WorkTogether, ARankThatIsAloneJustWorks) {
  int done = 0;
  work_together(*make_local_group(1).front(), "planning", [&] { ++done; });
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace tessera
