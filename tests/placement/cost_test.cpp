#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/error.h"
#include "base/units.h"
#include "placement/build_network.h"
#include "placement/cluster.h"
#include "placement/distances.h"
#include "placement/first_rank.h"
#include "placement/mesh_shapes.h"
#include "tests/placement/programs.h"

namespace tessera {
namespace {

Cluster two_nodes() {
  Cluster cluster;
  cluster.devices = 8;
  cluster.levels = {{"inner", 4, {1e-6, 8e9}, 0, {}}, {"outer", 2, {10e-6, 4e9}, 0, {}}};
  return cluster;
}

TEST(CommCost, GroupsInsideANodeUseTheInnerLink) {
  ClusterCommCost cost(two_nodes());
  Mesh mesh = parse_mesh("data=2,model=4");
  EXPECT_DOUBLE_EQ(cost.seconds(CommKind::all_gather, mesh, {1}, 8'000'000), 3e-6 + 1e-3);
}

TEST(CommCost, GroupsAcrossNodesShareTheNic) {
  ClusterCommCost cost(two_nodes());
  Mesh mesh = parse_mesh("data=2,model=4");
  // Four groups cross at once: a quarter of 4 GB/s each.
  EXPECT_DOUBLE_EQ(cost.seconds(CommKind::reduce_scatter, mesh, {0}, 1'000'000), 10e-6 + 1e-3);
  Mesh flat = parse_mesh("data=8");
  // One ring through both nodes has the NIC alone.
  EXPECT_DOUBLE_EQ(cost.seconds(CommKind::all_gather, flat, {0}, 4'000'000), 70e-6 + 1e-3);
  // In an all-to-all four members send 4/7 of what they have over one NIC.
  EXPECT_DOUBLE_EQ(cost.seconds(CommKind::all_to_all, flat, {0}, 7'000'000), 70e-6 + 4e-3);
}

TEST(CommCost, GroupsPassEveryLevelThatTheyLeave) {
  Cluster cluster;
  cluster.devices = 16;
  cluster.levels = {{"nvlink", 4, {1e-6, 400e9}, 0, {}},
                    {"rail", 2, {5e-6, 50e9}, 0, {}},
                    {"spine", 2, {9e-6, 100e9}, 40e9, {}}};
  const ClusterCommCost cost(cluster);
  const Mesh mesh = parse_mesh("pod=2,node=2,device=4");
  const auto seconds = [&](const Axes& axes) {
    return cost.seconds(CommKind::all_gather, mesh, axes, 1'000'000);
  };
  EXPECT_DOUBLE_EQ(seconds({2}), 3e-6 + 1e6 / 400e9);
  EXPECT_DOUBLE_EQ(seconds({1}), 5e-6 + 1e6 / (50e9 / 4)) << "four groups leave a node";
  EXPECT_DOUBLE_EQ(seconds({1, 2}), 7 * 5e-6 + 1e6 / 50e9);
  EXPECT_DOUBLE_EQ(seconds({0}), 9e-6 + 1e6 / (40e9 / 2 / 8))
      << "eight groups leave a pod, whose share of the spine is half of its total";
}

TEST(CommCost, WhatWasMeasuredIsThePrice) {
  Cluster cluster = two_nodes();
  cluster.levels[0].measured[CommKind::all_reduce] = {{64, 4e-6}, {1064, 6e-6}, {2064, 5e-6}};
  const ClusterCommCost cost(cluster);
  const Mesh mesh = parse_mesh("data=2,model=4");
  const auto seconds = [&](int64_t bytes) {
    return cost.seconds(CommKind::all_reduce, mesh, {1}, bytes);
  };
  EXPECT_DOUBLE_EQ(seconds(1), 4e-6);
  EXPECT_DOUBLE_EQ(seconds(64), 4e-6);
  EXPECT_DOUBLE_EQ(seconds(564), 5e-6);
  EXPECT_DOUBLE_EQ(seconds(2064), 6e-6) << "not less than half of the bytes took";
  EXPECT_DOUBLE_EQ(seconds(4128), 12e-6);
  // A pair inside the node takes half of the rounds, and as long to move its bytes.
  EXPECT_DOUBLE_EQ(cost.seconds(CommKind::all_reduce, parse_mesh("a=4,b=2"), {1}, 1064),
                   4e-6 / 2 + 2e-6);
  // A halo exchanges parts as an all-to-all does, but with no more than two others.
  cluster.levels[0].measured[CommKind::all_to_all] = {{64, 3e-6}, {1064, 4e-6}};
  const ClusterCommCost exchanges(cluster);
  EXPECT_DOUBLE_EQ(exchanges.seconds(CommKind::halo, mesh, {1}, 64), 3e-6 * 2 / 3);
  EXPECT_DOUBLE_EQ(exchanges.copying(500), 1000 / cluster.device.memory_bandwidth);
  // Nothing was measured between the nodes, and of no other collective.
  const ClusterCommCost model(two_nodes());
  EXPECT_EQ(cost.seconds(CommKind::all_reduce, mesh, {0}, 500),
            model.seconds(CommKind::all_reduce, mesh, {0}, 500));
  EXPECT_EQ(cost.seconds(CommKind::all_gather, mesh, {1}, 500),
            model.seconds(CommKind::all_gather, mesh, {1}, 500));
}

TEST(CommCost, CountsTheMembersInANodeAsEnumeratingThemDoes) {
  Cluster cluster = two_nodes();
  cluster.levels[1].joins = 24;
  for (int per_node = 1; per_node <= 24; ++per_node) {
    cluster.levels[0].joins = per_node;
    cluster.devices = 24 * per_node;
    for (const char* text : {"a=24", "a=3,b=7", "a=7,b=3", "a=2,b=3,c=4", "a=5,b=1,c=5"}) {
      const Mesh mesh = parse_mesh(text);
      for (int bits = 1; bits < 1 << mesh.count(); ++bits) {
        Axes axes;
        for (int axis = 0; axis < mesh.count(); ++axis)
          if ((bits >> axis & 1) != 0) axes.push_back(axis);
        std::map<int, int> in_node;
        int members = 0;
        for (const int rank : mesh.group(0, axes))
          members = std::max(members, ++in_node[rank / per_node]);
        const double groups = std::floor(std::min(per_node, mesh.ranks()) / members);
        const double hops = mesh.group_size(axes) - 1;
        const double expected =
            hops == 0             ? 0
            : in_node.size() == 1 ? hops * 1e-6 + 1e6 / 8e9
                                  : hops * 10e-6 + 1e6 / std::min(8e9, 4e9 / std::max(groups, 1.0));
        ClusterCommCost cost(cluster);
        EXPECT_DOUBLE_EQ(cost.seconds(CommKind::all_gather, mesh, axes, 1'000'000), expected)
            << text << " by " << per_node << ", axes " << bits;
      }
    }
  }
}

TEST(CommCost, SmallAllReducesTakeLogarithmicallyManyRounds) {
  ClusterCommCost cost(two_nodes());
  Mesh mesh = parse_mesh("data=2,model=4");
  EXPECT_NEAR(cost.seconds(CommKind::all_reduce, mesh, {1}, 6), 2e-6, 1e-8);
  EXPECT_DOUBLE_EQ(cost.seconds(CommKind::all_reduce, mesh, {1}, 80'000'000), 6e-6 + 1e-2);
}

TEST(CommCost, NeverFallsWhenBytesGrow) {
  Cluster cluster = two_nodes();
  cluster.levels[1].measured[CommKind::all_to_all] = {{8, 3e-6}, {90, 2e-6}, {7000, 1e-3}};
  ClusterCommCost cost(cluster);
  for (const char* text : {"data=8", "data=2,model=4", "data=4,model=2"}) {
    Mesh mesh = parse_mesh(text);
    for (CommKind kind : {CommKind::all_gather, CommKind::reduce_scatter, CommKind::all_reduce,
                          CommKind::all_to_all}) {
      double last = 0;
      for (int64_t bytes = 0; bytes < 1 << 24; bytes = 2 * bytes + 7) {
        double now = cost.seconds(kind, mesh, {0}, bytes);
        EXPECT_GE(now, last);
        last = now;
      }
    }
  }
}

// Any sharding of a tensor of `dims` dims; partial if `partial`.
Sharding random_sharding(std::mt19937& generator, const Mesh& mesh, size_t dims, bool partial) {
  Sharding sharding = replicated(dims);
  for (int axis = 0; axis < mesh.count(); ++axis) {
    size_t place = generator() % (dims + 2);
    if (place < dims) sharding.split[place].push_back(axis);
    if (place == dims && partial) sharding.partial.push_back(axis);
  }
  return sharding;
}

TEST(Distances, EqualTheOracleOfLowering) {
  std::mt19937 generator(5);
  Cluster cluster = two_nodes();
  ClusterCommCost cost(cluster);
  for (const char* text : {"data=8", "data=2,model=4", "data=2,model=2,depth=2"}) {
    Mesh mesh = parse_mesh(text);
    Distances distances(mesh, cost);
    for (int round = 0; round < 200; ++round) {
      TensorShape shape{{}, DType::f32};
      for (size_t d = 0; d < 1 + generator() % 3; ++d)
        shape.extents.push_back(1 + generator() % 50);
      size_t dims = shape.extents.size();
      Sharding from = random_sharding(generator, mesh, dims, true);
      Sharding to = random_sharding(generator, mesh, dims, false);
      EXPECT_NEAR(distances.between(shape, from, to), reshard(shape, from, to, mesh, cost).seconds,
                  1e-15);
    }
  }
}

TEST(Distances, ToAFormAreThoseFromEachByItsNumber) {
  std::mt19937 generator(6);
  ClusterCommCost cost(two_nodes());
  const Mesh mesh = parse_mesh("data=2,model=4");
  Distances distances(mesh, cost);
  const TensorShape shape{{12, 30, 7}, DType::f32};
  const Forms forms(3, 2);
  ASSERT_EQ(forms.count(), 25);
  for (int number = 0; number < forms.count(); ++number)
    EXPECT_EQ(forms.of(forms.sharding(number)), number);
  for (int round = 0; round < 10; ++round) {
    const Sharding to = random_sharding(generator, mesh, 3, false);
    const std::vector<double> row = distances.to(shape, to);
    for (int from = 0; from < forms.count(); ++from)
      EXPECT_NEAR(row[static_cast<size_t>(from)],
                  reshard(shape, forms.sharding(from), to, mesh, cost).seconds, 1e-15);
  }
}

TEST(Forms, HaveADigitForEachAxis) {
  const Mesh mesh = parse_mesh("data=2,model=2");
  const Forms forms(2, 2);
  EXPECT_EQ(forms.of(Sharding{{{0}, {}}, {}, ReduceOp::sum}), 1);
  EXPECT_EQ(forms.of(Sharding{{{0}, {1}}, {}, ReduceOp::sum}), 9);
  EXPECT_EQ(forms.of(Sharding{{{}, {}}, {1}, ReduceOp::sum}), 12);
  EXPECT_EQ(forms.of(Sharding{{{1, 0}, {}}, {}, ReduceOp::sum}), -1);
  EXPECT_TRUE(forms.is_partial(12));
  EXPECT_FALSE(forms.is_partial(9));
}

TEST(FirstRank, HasTheLargestBlocks) {
  Program program = testing_programs::tiny_step(10, 6, 8);
  NestRules rules(nest_of(program.get("a")));
  Mesh mesh = parse_mesh("data=4,model=2");
  Assignment assignment = unassigned(mesh);
  assignment.axes[0] = {Choice::Kind::loop, "b", {}};
  assignment.axes[1] = {Choice::Kind::loop, "i", {}};
  Nest local = first_rank_nest(rules, assignment, mesh, Scopes(program));
  EXPECT_EQ(extents(local.loops()), (std::vector<int64_t>{8, 3, 3}));
  EXPECT_EQ(first_rank_extents(rules, assignment, mesh),
            (std::vector<int64_t>{8, 3, 3, 3, 3, 3, 8}));
  EXPECT_EQ(flops_of(local), 2.0 * 3 * 8 * 3);
}

TEST(MeshShapes, AreTheFactorisations) {
  auto texts = [](int devices, int axes, std::vector<std::string> wanted) {
    std::vector<std::string> result;
    for (const Mesh& mesh : mesh_shapes(devices, axes, wanted)) result.push_back(print(mesh));
    return result;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(texts(1, 3, {}), Texts{""});
  EXPECT_EQ(texts(7, 3, {}), Texts{"data=7"});
  EXPECT_EQ(texts(8, 3, {}),
            (Texts{"data=8", "data=4,model=2", "data=2,model=4", "data=2,model=2,depth=2"}));
  EXPECT_EQ(texts(4, 1, {"model"}), Texts{"model=4"});
  EXPECT_EQ(texts(2, 2, {"data", "model"}), (Texts{"data=2,model=1", "data=1,model=2"}));
}

TEST(Cluster, RejectsNonsense) {
  Cluster cluster = imagined_cluster(2);
  cluster.levels[0].link.bandwidth = 0;
  try {
    verify(cluster);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "cluster: `memory.bandwidth` must be positive, found 0");
  }
  cluster = imagined_cluster(16);
  cluster.levels.pop_back();
  try {
    verify(cluster);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(
        error.what(),
        "cluster: its levels join 8 devices, and it has 16; add a level, or let one join more");
  }
  EXPECT_THROW(this_machine(0), UserError);
  EXPECT_EQ(describe(imagined_cluster(64)), "64 cpu devices of 16.0 GiB in 8 nodes");
}

// Of the levels whose blocks are as they were.
TEST(Cluster, KeepsWhatWasMeasuredOfLevelsThatDoNotChange) {
  Cluster cluster = imagined_cluster(16);
  for (LinkLevel& level : cluster.levels) level.measured[CommKind::all_reduce] = {{64, 4e-6}};
  const Cluster more = resized(cluster, 32);
  ASSERT_EQ(more.levels.size(), 2);
  EXPECT_EQ(more.levels[0].measured, cluster.levels[0].measured);
  EXPECT_TRUE(more.levels[1].measured.empty());
  EXPECT_TRUE(resized(cluster, 4).levels[0].measured.empty());
}

TEST(Cluster, GrowsAndShrinksByNodes) {
  Cluster cluster = resized(this_machine(2), 4);
  EXPECT_EQ(cluster.levels.size(), 1);
  EXPECT_EQ(cluster.per_node(), 4);
  cluster = resized(this_machine(2), 32);
  EXPECT_EQ(cluster.per_node(), 8);
  EXPECT_EQ(cluster.nodes(), 4);
  cluster = resized(cluster, 60);
  EXPECT_EQ(cluster.nodes(), 8);
  EXPECT_EQ(&level_of(cluster, 8), &cluster.levels[0]);
  EXPECT_EQ(&level_of(cluster, 9), &cluster.levels[1]);
  cluster = resized(cluster, 6);
  EXPECT_EQ(cluster.levels.size(), 1);
  EXPECT_EQ(cluster.per_node(), 6);
  EXPECT_TRUE(resized(cluster, 1).levels.empty());
  EXPECT_NO_THROW(verify(resized(this_machine(1), 16)));
}

TEST(Units, HaveThreeDigits) {
  EXPECT_EQ(human_bytes(312), "312 B");
  EXPECT_EQ(human_bytes(1536), "1.50 KiB");
  EXPECT_EQ(human_bytes(int64_t{5} << 30), "5.00 GiB");
  EXPECT_EQ(human_bytes(1023 * 1024), "1.00 MiB");
  EXPECT_EQ(human_seconds(0.00123), "1.23 ms");
  EXPECT_EQ(human_seconds(12.34), "12.3 s");
  EXPECT_EQ(human_seconds(4.2e-7), "420 ns");
  EXPECT_EQ(human_seconds(0), "0 s");
}

}  // namespace
}  // namespace tessera
