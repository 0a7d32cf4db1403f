#include "runtime/allocate.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tessera {
namespace {

TEST(Allocate, SharesBytesOnlyBetweenLivesThatCannotMeet) {
  // 0 -> 1 -> 2, and 3 beside them.
  const Precedence precedence({{}, {0}, {1}, {}});
  const Allocation a = allocate(
      {{64, {0, 1}, false}, {64, {2}, false}, {64, {3}, false}, {64, {0}, true}}, precedence);
  EXPECT_EQ(a.offsets[0], a.offsets[1]);  // tasks 0 and 1 end before 2
  EXPECT_NE(a.offsets[0], a.offsets[2]);  // 3 may run beside anything
  EXPECT_EQ(a.bytes, 3 * 64u);
}

TEST(Allocate, AlignsAndGivesEmptyBuffersNoRoom) {
  const Precedence precedence(std::vector<std::vector<int>>{{}});
  const Allocation a = allocate({{1, {0}, false}, {65, {0}, false}, {0, {0}, false}}, precedence);
  for (size_t offset : a.offsets) EXPECT_EQ(offset % kBufferAlignment, 0u);
  EXPECT_EQ(a.bytes, 64u + 128u);
}

TEST(Allocate, ABufferOfOneTaskDoesNotShareWithAnotherOfIt) {
  const Precedence precedence(std::vector<std::vector<int>>{{}});
  const Allocation a = allocate({{64, {0}, false}, {64, {0}, false}}, precedence);
  EXPECT_NE(a.offsets[0], a.offsets[1]);
}

TEST(Precedence, RefusesForwardEdges) {
  EXPECT_THROW(Precedence(std::vector<std::vector<int>>{{1}, {}}), InternalError);
}

}  // namespace
}  // namespace tessera
