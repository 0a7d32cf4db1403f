#include "base/thread_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace tessera {
namespace {

TEST(ThreadClock, StandsStillWhileTheThreadWaits) {
  const double start = thread_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(thread_seconds() - start, 0.1);
}

TEST(ThreadClock, GoesWhileItComputes) {
  const double start = thread_seconds();
  volatile double x = 1;
  for (int i = 0; i < 1 << 22; ++i) x = x * 1.0000001;
  EXPECT_GT(thread_seconds() - start, 1e-4);
}

}  // namespace
}  // namespace tessera
