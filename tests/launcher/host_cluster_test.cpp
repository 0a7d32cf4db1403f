#include "launcher/host_cluster.h"

#include <gtest/gtest.h>

#include "comm/local/local_group.h"
#include "launcher/calibrate.h"

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
  EXPECT_EQ(cluster.per_node(), 2);
  EXPECT_EQ(cluster.nodes(), 3);
  EXPECT_EQ(cluster.levels[1].link, kLink);
  EXPECT_EQ(cluster.levels[0].link, (Link{5e-6, 1.5e9}));
}

TEST(HostCluster, UnequalHostsAreMadeOfEqualNodes) {
  const Cluster cluster = cluster_on({1, 1, 1, 1, 2, 2});
  EXPECT_EQ(cluster.per_node(), 2);
  EXPECT_EQ(cluster.nodes(), 3);
  EXPECT_EQ(cluster.levels[1].link, (Link{40e-6, 0.5e8})) << "two nodes of host 1 share its link";
  EXPECT_EQ(cluster_on({1, 1, 1, 2}).per_node(), 1);
}

TEST(HostCluster, ADeviceIsTheWeakest) {
  const Cluster cluster = cluster_of({{1, 4e9, 2e11, 2e10, 1}, {2, 1e9, 3e11, 1e10, 0.5}}, kLink);
  EXPECT_EQ(cluster.device.memory, 1'000'000'000);
  EXPECT_EQ(cluster.device.flops, 2e11);
  EXPECT_EQ(cluster.device.memory_bandwidth, 1e10);
  EXPECT_EQ(cluster.levels[0].link.bandwidth, 0.75e9);
}

TEST(HostCluster, RanksOfOneHostAreThisMachine) {
  run_local_ranks(3, {},
                  [](Communicator& world) { EXPECT_EQ(cluster_of(world), this_machine(3)); });
}

TEST(Calibrate, MeasuresEachLevel) {
  run_local_ranks(3, {}, [](Communicator& world) {
    CalibrationSettings settings;
    settings.seconds = 0.05;
    settings.most = 4096;
    int64_t told = 0;
    const ClusterDescription found = calibrate(world, settings, [&](int64_t done, int64_t all) {
      EXPECT_EQ(done, told + 1);
      EXPECT_EQ(all, 4 * 3);
      told = done;
    });
    EXPECT_EQ(told, 4 * 3);
    EXPECT_NO_THROW(verify(found.cluster));
    ASSERT_EQ(found.cluster.levels.size(), 1);
    // Of three blocks of whole numbers of f32: 252, 1020 and 4092 bytes, of which a third is one's
    // own.
    const auto& gathers = found.cluster.levels[0].measured.at(CommKind::all_gather);
    ASSERT_EQ(gathers.size(), 3);
    EXPECT_EQ(gathers.begin()->first, 168);
    EXPECT_EQ(gathers.rbegin()->first, 2728);
    if (world.rank() == 0) {
      EXPECT_EQ(parse_cluster(print_cluster(found), "c.yaml").cluster.devices, 3);
    }
  });
}

}  // namespace
}  // namespace tessera
