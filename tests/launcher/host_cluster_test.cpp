#include "launcher/host_cluster.h"

#include <gtest/gtest.h>

#include "comm/local/local_group.h"

namespace tessera {
namespace {

constexpr Link kLink{40e-6, 1e8};

Cluster cluster_on(const std::vector<uint64_t>& hosts) {
  std::vector<HostFacts> facts;
  for (const uint64_t host : hosts) facts.push_back({host, 1e9, 2e11, 2e10, 1});
  return cluster_of(facts, kLink);
}

TEST(HostCluster, NodesAreHosts) {
  const Cluster cluster = cluster_on({1, 1, 2, 2, 3, 3});
  EXPECT_EQ(cluster.devices, 6);
  EXPECT_EQ(cluster.per_node, 2);
  EXPECT_EQ(cluster.nodes(), 3);
  EXPECT_EQ(cluster.outer, kLink);
  EXPECT_EQ(cluster.inner, (Link{5e-6, 1.5e9}));
}

TEST(HostCluster, UnequalHostsAreMadeOfEqualNodes) {
  const Cluster cluster = cluster_on({1, 1, 1, 1, 2, 2});
  EXPECT_EQ(cluster.per_node, 2);
  EXPECT_EQ(cluster.nodes(), 3);
  EXPECT_EQ(cluster.outer, (Link{40e-6, 0.5e8})) << "two nodes of host 1 share its link";
  EXPECT_EQ(cluster_on({1, 1, 1, 2}).per_node, 1);
}

TEST(HostCluster, ADeviceIsTheWeakest) {
  const Cluster cluster = cluster_of({{1, 4e9, 2e11, 2e10, 1}, {2, 1e9, 3e11, 1e10, 0.5}}, kLink);
  EXPECT_EQ(cluster.device.memory, 1'000'000'000);
  EXPECT_EQ(cluster.device.flops, 2e11);
  EXPECT_EQ(cluster.device.memory_bandwidth, 1e10);
  EXPECT_EQ(cluster.inner.bandwidth, 0.75e9);
}

TEST(HostCluster, RanksOfOneHostAreThisMachine) {
  run_local_ranks(3, {},
                  [](Communicator& world) { EXPECT_EQ(cluster_of(world), this_machine(3)); });
}

}  // namespace
}  // namespace tessera
