#include "base/work_queue.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace tessera {
namespace {

TEST(WorkQueue, KeepsTheOrder) {
  WorkQueue queue;
  std::vector<int> seen;
  for (int i = 0; i < 100; ++i) queue.enqueue([&seen, i] { seen.push_back(i); });
  queue.wait();
  ASSERT_EQ(seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
  EXPECT_TRUE(queue.done());
}

TEST(WorkQueue, GoesOnAfterAnErrorAndThrowsTheFirst) {
  WorkQueue queue;
  bool later = false;
  queue.enqueue([] { throw std::runtime_error("first"); });
  queue.enqueue([] { throw std::runtime_error("second"); });
  queue.enqueue([&] { later = true; });
  try {
    queue.wait();
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "first");
  }
  EXPECT_TRUE(later);
  EXPECT_THROW(queue.done(), std::runtime_error);
}

TEST(WorkQueue, EndsWithItsWork) {
  int done = 0;
  {
    WorkQueue queue;
    for (int i = 0; i < 10; ++i) queue.enqueue([&] { ++done; });
  }
  EXPECT_EQ(done, 10);
}

}  // namespace
}  // namespace tessera
