#include "launcher/cluster_file.h"

#include "launcher/yaml.h"
#include "launcher/yaml_units.h"

namespace tessera {
namespace {

constexpr int kMostDevices = 1 << 20;

Device read_device(const YamlNode& node) {
  node.allow_keys({"kind", "memory", "flops", "memory_bandwidth", "launch"});
  Device device;
  if (const auto kind = node.find("kind")) device.kind = kind->as_string();
  device.memory = bytes_of(node.at("memory"));
  device.flops = flops_of(node.at("flops"));
  device.memory_bandwidth = bandwidth_of(node.at("memory_bandwidth"));
  if (const auto launch = node.find("launch")) device.launch = seconds_of(*launch);
  return device;
}

Link read_link(const YamlNode& node) {
  node.allow_keys({"latency", "bandwidth"});
  return {seconds_of(node.at("latency")), bandwidth_of(node.at("bandwidth"))};
}

Cluster read_cluster(const YamlNode& root) {
  root.allow_keys({"nodes", "per_node", "device", "inner", "outer"});
  Cluster cluster;
  const auto nodes_node = root.find("nodes");
  const int64_t nodes = nodes_node ? nodes_node->as_int(1, kMostDevices) : 1;
  cluster.per_node = static_cast<int>(root.at("per_node").as_int(1, kMostDevices));
  if (nodes * cluster.per_node > kMostDevices)
    nodes_node->fail("times per_node is " + std::to_string(nodes * cluster.per_node) +
                     " devices; at most " + std::to_string(kMostDevices) + " can be planned for");
  cluster.devices = static_cast<int>(nodes) * cluster.per_node;
  cluster.device = read_device(root.at("device"));
  const auto outer = root.find("outer");
  if (outer && nodes == 1)
    root.fail_key("outer",
                  "describes links between nodes, but there is one node; remove it, or "
                  "say how many nodes there are");
  // A single device has no links; a single device in each node has none inside.
  if (const auto inner = root.find("inner"))
    cluster.inner = read_link(*inner);
  else if (cluster.per_node > 1)
    cluster.inner = read_link(root.at("inner"));
  cluster.outer = nodes > 1 ? read_link(root.at("outer")) : cluster.inner;
  if (nodes > 1 && !root.find("inner")) cluster.inner = cluster.outer;
  return cluster;
}

}  // namespace

Cluster load_cluster(const std::string& file) {
  return read_cluster(load_yaml(file));
}

Cluster parse_cluster(const std::string& text, const std::string& name) {
  return read_cluster(parse_yaml(text, name));
}

}  // namespace tessera
