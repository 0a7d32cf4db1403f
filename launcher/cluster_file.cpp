#include "launcher/cluster_file.h"

#include <fmt/format.h>

#include "base/error.h"
#include "launcher/yaml.h"
#include "launcher/yaml_units.h"

namespace tessera {
namespace {

constexpr int kMostDevices = 1 << 20;
constexpr int kMostLevels = 8;
constexpr CommKind kMeasuredKinds[] = {CommKind::all_reduce, CommKind::all_gather,
                                       CommKind::reduce_scatter, CommKind::all_to_all};

Machine read_machine(const YamlNode& node) {
  std::string lines;
  for (const auto& [name, value] : node.entries())
    lines += fmt::format("{} {}\n", name, value.as_string());
  try {
    return parse_machine(lines);
  } catch (const UserError& error) {
    node.fail(fmt::format("is incomplete ({})", error.what()));
  }
}

void read_device(const YamlNode& node, ClusterDescription& described) {
  node.allow_keys({"kind", "memory", "flops", "memory_bandwidth", "launch", "machine", "threads"});
  Device& device = described.cluster.device;
  if (const auto kind = node.find("kind")) device.kind = kind->as_string();
  device.memory = bytes_of(node.at("memory"));
  device.flops = flops_of(node.at("flops"));
  device.memory_bandwidth = bandwidth_of(node.at("memory_bandwidth"));
  if (const auto launch = node.find("launch")) device.launch = seconds_of(*launch);
  if (const auto machine = node.find("machine")) described.machine = read_machine(*machine);
  const auto threads = node.find("threads");
  if (threads && !described.machine)
    node.fail_key("threads", "says how the kernels of `device.machine` run, which is missing");
  if (threads) described.threads = static_cast<int>(threads->as_int(1, 4096));
}

Link read_link(const YamlNode& node) {
  return {seconds_of(node.at("latency")), bandwidth_of(node.at("bandwidth"))};
}

MeasuredSeconds read_measured(const YamlNode& node) {
  MeasuredSeconds measured;
  std::vector<std::string> kinds;
  for (const CommKind kind : kMeasuredKinds) kinds.emplace_back(name_of(kind));
  node.allow_keys(kinds);
  for (const CommKind kind : kMeasuredKinds) {
    const auto list = node.find(name_of(kind));
    if (!list) continue;
    for (const YamlNode& item : list->items()) {
      const std::vector<YamlNode> pair = item.items();
      if (pair.size() != 2)
        item.fail("must be a size and a time, as in [1MiB, 210us], found " +
                  std::to_string(pair.size()) + " values");
      if (!measured[kind].emplace(bytes_of(pair[0]), seconds_of(pair[1])).second)
        item.fail("gives a time for that size a second time; remove one");
    }
    if (!measured.count(kind)) list->fail("is empty; list sizes and times, or remove it");
  }
  return measured;
}

void check_devices(const YamlNode& node, int64_t devices, const std::string& found) {
  if (devices > kMostDevices)
    node.fail(fmt::format("{} is {} devices; at most {} can be planned for", found, devices,
                          kMostDevices));
}

void read_levels(const YamlNode& list, Cluster& cluster) {
  int64_t devices = 1;
  for (const YamlNode& item : list.items()) {
    item.allow_keys({"name", "joins", "latency", "bandwidth", "total", "measured"});
    LinkLevel level;
    level.name = item.at("name").as_string();
    level.joins = static_cast<int>(item.at("joins").as_int(1, kMostDevices));
    level.link = read_link(item);
    if (const auto total = item.find("total")) level.total = bandwidth_of(*total);
    if (const auto measured = item.find("measured")) level.measured = read_measured(*measured);
    devices *= level.joins;
    check_devices(item.at("joins"), devices, "times those below");
    cluster.levels.push_back(level);
  }
  if (cluster.levels.size() > kMostLevels)
    list.fail(
        fmt::format("has {} levels; at most {} make sense", cluster.levels.size(), kMostLevels));
  cluster.devices = static_cast<int>(devices);
}

// nodes, per_node, inner, outer.
void read_two_levels(const YamlNode& root, Cluster& cluster) {
  const auto nodes_node = root.find("nodes");
  const int64_t nodes = nodes_node ? nodes_node->as_int(1, kMostDevices) : 1;
  const auto per_node = static_cast<int>(root.at("per_node").as_int(1, kMostDevices));
  if (nodes_node) check_devices(*nodes_node, nodes * per_node, "times per_node");
  cluster.devices = static_cast<int>(nodes) * per_node;
  const auto outer = root.find("outer");
  if (outer && nodes == 1)
    root.fail_key("outer",
                  "describes links between nodes, but there is one node; remove it, or "
                  "say how many nodes there are");
  const auto link = [&](const char* key) {
    root.at(key).allow_keys({"latency", "bandwidth"});
    return read_link(root.at(key));
  };
  // A single device has no links; a single device in each node has none inside.
  const bool inside = per_node > 1 || root.find("inner");
  if (nodes == 1 && !inside) return;
  cluster.levels.push_back({"inner", per_node, link(inside ? "inner" : "outer"), 0, {}});
  if (nodes > 1) cluster.levels.push_back({"outer", static_cast<int>(nodes), link("outer"), 0, {}});
}

ClusterDescription read_cluster(const YamlNode& root) {
  root.allow_keys({"device", "levels", "nodes", "per_node", "inner", "outer"});
  ClusterDescription described;
  read_device(root.at("device"), described);
  const auto levels = root.find("levels");
  if (!levels) {
    read_two_levels(root, described.cluster);
    return described;
  }
  for (const char* key : {"nodes", "per_node", "inner", "outer"})
    if (root.find(key)) root.fail_key(key, "cannot be combined with `levels`; remove one");
  read_levels(*levels, described.cluster);
  return described;
}

// With four digits, and no exponent.
std::string number(double value) {
  std::string text = fmt::format("{:.4g}", value);
  if (text.find('e') != std::string::npos) text = fmt::format("{:.0f}", value);
  return text;
}

std::string seconds_text(double seconds) {
  return seconds < 1e-6   ? number(1e9 * seconds) + "ns"
         : seconds < 1e-3 ? number(1e6 * seconds) + "us"
         : seconds < 1    ? number(1e3 * seconds) + "ms"
                          : number(seconds) + "s";
}

std::string rate_text(double rate, const char* unit) {
  return rate < 1e12 ? number(1e-9 * rate) + " G" + unit : number(1e-12 * rate) + " T" + unit;
}

std::string bandwidth_text(double rate) {
  return rate < 1e9 ? number(1e-6 * rate) + " MB/s" : rate_text(rate, "B/s");
}

}  // namespace

ClusterDescription load_cluster(const std::string& file) {
  return read_cluster(load_yaml(file));
}

ClusterDescription parse_cluster(const std::string& text, const std::string& name) {
  return read_cluster(parse_yaml(text, name));
}

std::string print_cluster(const ClusterDescription& description) {
  const Device& device = description.cluster.device;
  std::string text = fmt::format(
      "device:\n  kind: {}\n  memory: {}\n  flops: {}\n  memory_bandwidth: {}\n  launch: {}\n",
      quote_yaml(device.kind), bytes_text(device.memory), rate_text(device.flops, "FLOP/s"),
      bandwidth_text(device.memory_bandwidth), seconds_text(device.launch));
  if (description.machine) {
    text += fmt::format("  threads: {}\n  machine:\n", description.threads);
    const std::string facts = print(*description.machine);
    for (size_t at = 0; at < facts.size();) {
      const size_t end = facts.find('\n', at);
      const std::string line = facts.substr(at, end - at);
      const size_t space = line.find(' ');
      text += fmt::format("    {}: {}\n", line.substr(0, space), line.substr(space + 1));
      at = end + 1;
    }
  }
  text += description.cluster.levels.empty() ? "per_node: 1\n" : "levels:\n";
  for (const LinkLevel& level : description.cluster.levels) {
    text += fmt::format("- name: {}\n  joins: {}\n  latency: {}\n  bandwidth: {}\n",
                        quote_yaml(level.name), level.joins, seconds_text(level.link.latency),
                        bandwidth_text(level.link.bandwidth));
    if (level.total > 0) text += fmt::format("  total: {}\n", bandwidth_text(level.total));
    if (!level.measured.empty()) text += "  measured:\n";
    for (const auto& [kind, seconds] : level.measured) {
      text += fmt::format("    {}:\n", name_of(kind));
      for (const auto& [bytes, each] : seconds)
        text += fmt::format("    - [{}, {}]\n", bytes_text(bytes), seconds_text(each));
    }
  }
  return text;
}

}  // namespace tessera
