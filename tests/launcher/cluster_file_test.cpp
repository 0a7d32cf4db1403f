#include "launcher/cluster_file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

constexpr const char* kGood =
    "nodes: 2\n"
    "per_node: 4\n"
    "device: {kind: gpu, memory: 80GiB, flops: 60 TFLOP/s, memory_bandwidth: 3 TB/s, launch: 4us}\n"
    "inner: {latency: 500 ns, bandwidth: 300 GB/s}\n"
    "outer: {latency: 6us, bandwidth: 400 Gbit/s}\n";

std::string with(const std::string& old, const std::string& now) {
  std::string text = kGood;
  const size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return text.replace(at, old.size(), now);
}

std::string error_of(const std::string& text) {
  return message_of<UserError>([&] { parse_cluster(text, "c.yaml"); });
}

TEST(ClusterFile, SaysEverything) {
  Cluster wanted;
  wanted.devices = 8;
  wanted.device = {"gpu", int64_t{80} << 30, 60e12, 3e12, 4 * 1e-6};
  wanted.levels = {{"inner", 4, {500 * 1e-9, 300e9}, 0, {}},
                   {"outer", 2, {6 * 1e-6, 400 * (1e9 / 8)}, 0, {}}};
  EXPECT_EQ(parse_cluster(kGood, "c.yaml"), (ClusterDescription{wanted, {}, 1}));
}

constexpr const char* kLevels =
    "device: {kind: gpu, memory: 80GiB, flops: 60 TFLOP/s, memory_bandwidth: 3 TB/s}\n"
    "levels:\n"
    "- {name: NVLink, joins: 8, latency: 3us, bandwidth: 300 GB/s}\n"
    "- {name: rail, joins: 4, latency: 6us, bandwidth: 50 GB/s,\n"
    "   measured: {all-reduce: [[64, 20us], [1MiB, 210us]], all-to-all: [[64, 9us]]}}\n"
    "- {name: spine, joins: 2, latency: 9us, bandwidth: 200 GB/s, total: 250 GB/s}\n";

TEST(ClusterFile, AnyNumberOfLevels) {
  const Cluster cluster = parse_cluster(kLevels, "c.yaml").cluster;
  EXPECT_EQ(cluster.devices, 64);
  EXPECT_EQ(cluster.per_node(), 8);
  ASSERT_EQ(cluster.levels.size(), 3);
  EXPECT_EQ(cluster.levels[1].measured.at(CommKind::all_reduce).at(1 << 20), 210 * 1e-6);
  EXPECT_EQ(cluster.levels[2].bandwidth(), 125e9) << "two that share the total";
}

TEST(ClusterFile, WhatIsPrintedReadsBack) {
  ClusterDescription described = parse_cluster(kLevels, "c.yaml");
  described.machine = Machine{{64, 32, 2, 2, 4, 32768, 1 << 20, 32 << 20}, 2, 116.5, 10.5, 20, 50};
  described.threads = 2;
  EXPECT_EQ(parse_cluster(print_cluster(described), "c.yaml"), described);
  const ClusterDescription one = parse_cluster(
      "per_node: 1\ndevice: {memory: 6GiB, flops: 150 GFLOP/s, memory_bandwidth: 15 GB/s}\n", "1");
  EXPECT_EQ(parse_cluster(print_cluster(one), "1"), one);
}

TEST(ClusterFile, OneNodeHasNoLinksToOthers) {
  const Cluster laptop =
      parse_cluster(
          "per_node: 2\ndevice: {memory: 6GiB, flops: 150 GFLOP/s, memory_bandwidth: 15 GB/s}\n"
          "inner: {latency: 5us, bandwidth: 1.5 GB/s}\n",
          "c.yaml")
          .cluster;
  EXPECT_EQ(laptop.devices, 2);
  EXPECT_EQ(laptop.nodes(), 1);
  EXPECT_EQ(laptop.device.kind, "cpu");
  EXPECT_EQ(laptop.device.launch, 2e-6);
  EXPECT_EQ(laptop.levels.size(), 1);
}

TEST(ClusterFile, OneDeviceANodeHasNoLinksInside) {
  const Cluster cluster =
      parse_cluster(
          "nodes: 3\nper_node: 1\n"
          "device: {memory: 6GiB, flops: 150 GFLOP/s, memory_bandwidth: 15 GB/s}\n"
          "outer: {latency: 30us, bandwidth: 1 GiB/s}\n",
          "c.yaml")
          .cluster;
  EXPECT_EQ(cluster.devices, 3);
  EXPECT_EQ(cluster.nodes(), 3);
  ASSERT_EQ(cluster.levels.size(), 2);
  EXPECT_EQ(cluster.levels[1].link.bandwidth, 1073741824.0);
  EXPECT_EQ(cluster.levels[0].link, cluster.levels[1].link);
}

TEST(ClusterFile, ErrorsSayWhereAndWhat) {
  EXPECT_EQ(error_of(with("per_node: 4", "per_nodes: 4")),
            "c.yaml:2:1: `per_nodes` is not a known key; the file may have device, levels, nodes, "
            "per_node, inner, outer (did you mean `per_node`?)");
  EXPECT_EQ(error_of(with("300 GB/s", "300")),
            "c.yaml:4:37: `inner.bandwidth` must be a bandwidth such as 10 GB/s, 500 MB/s or 100 "
            "Gbit/s, found `300`");
  EXPECT_EQ(error_of(with("300 GB/s", "0 GB/s")),
            "c.yaml:4:37: `inner.bandwidth` must be a bandwidth such as 10 GB/s, 500 MB/s or 100 "
            "Gbit/s, found `0 GB/s`");
  EXPECT_EQ(error_of(with("60 TFLOP/s", "60 TFLOPS")),
            "c.yaml:3:43: `device.flops` must be a rate such as 400 GFLOP/s or 60 TFLOP/s, found "
            "`60 TFLOPS`");
  EXPECT_EQ(error_of(with("80GiB", "much")),
            "c.yaml:3:29: `device.memory` must be a size such as 512MiB, 2GiB or a number of "
            "bytes, found `much`");
  EXPECT_EQ(error_of(with("6us", "[6]")),
            "c.yaml:5:18: `outer.latency` must be a time such as 60 s, 2 min or 500 ms, found a "
            "list");
  EXPECT_EQ(error_of(with("nodes: 2", "nodes: 0")),
            "c.yaml:1:8: `nodes` must be an integer from 1 to 1048576, found `0`");
  EXPECT_EQ(error_of(with("nodes: 2", "nodes: 1000000")),
            "c.yaml:1:8: `nodes` times per_node is 4000000 devices; at most 1048576 can be planned "
            "for");
  EXPECT_EQ(error_of(with("nodes: 2", "nodes: 1")),
            "c.yaml:5:1: `outer` describes links between nodes, but there is one node; remove it, "
            "or say how many nodes there are");
  EXPECT_EQ(error_of(std::string(kLevels) + "nodes: 2\n"),
            "c.yaml:7:1: `nodes` cannot be combined with `levels`; remove one");
  const auto level = [](const std::string& text) {
    return "device: {memory: 1GiB, flops: 1 TFLOP/s, memory_bandwidth: 1 GB/s}\n"
           "levels: [{name: a, joins: 2, latency: 1us, bandwidth: 1 GB/s, " +
           text + "}]\n";
  };
  EXPECT_EQ(
      error_of(level("measured: {all-reduce: [[64]]}")),
      "c.yaml:2:87: `levels[0].measured.all-reduce[0]` must be a size and a time, as in [1MiB, "
      "210us], found 1 values");
  EXPECT_EQ(error_of(level("measured: {all-reduce: [[64, 1us], [64, 2us]]}")),
            "c.yaml:2:98: `levels[0].measured.all-reduce[1]` gives a time for that size a second "
            "time; remove one");
  EXPECT_EQ(error_of("per_node: 2\n"), "c.yaml:1:1: the file must have the key `device`");
  EXPECT_EQ(message_of<UserError>([] { load_cluster("none.yaml"); }),
            "none.yaml: cannot be opened: No such file or directory");
}

TEST(ClusterFile, TheExamplesLoad) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(TESSERA_SOURCE_DIR) + "/configs/clusters")) {
    const Cluster cluster = load_cluster(entry.path().string()).cluster;
    EXPECT_NO_THROW(verify(cluster)) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 3);
}

}  // namespace
}  // namespace tessera
