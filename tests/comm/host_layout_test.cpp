#include "comm/mpi/host_layout.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(HostLayout, SaysWhoSharesAMachine) {
  const HostLayout layout = host_layout({7, 7, 9, 9, 9}, 3);
  EXPECT_EQ(layout.first, (std::vector<int>{0, 2, 5}));
  EXPECT_EQ(layout.host, 1);
  EXPECT_EQ(layout.index, 1);
  EXPECT_TRUE(layout.in_order);
  EXPECT_EQ(layout.hosts(), 2);
  EXPECT_EQ(layout.smallest(), 2);
  EXPECT_EQ(layout.largest(), 3);
  EXPECT_EQ(layout.ranks_here(), 3);
}

TEST(HostLayout, SeesThatAMachineComesAgain) {
  EXPECT_FALSE(host_layout({7, 9, 7}, 0).in_order);
  EXPECT_TRUE(host_layout({7, 9, 8}, 2).in_order);
}

}  // namespace
}  // namespace tessera
