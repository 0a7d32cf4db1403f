#include <cstdlib>

#include "base/error.h"
#include "launcher/config_sections.h"
#include "launcher/slurm_hosts.h"
#include "launcher/yaml_units.h"

// On which hosts a job runs, and how its ranks talk.
namespace tessera::internal {
namespace {

CpuLevel cpu_level(const YamlNode& node) {
  try {
    return parse_cpu_level(node.as_string(), "`cluster.cpu`");
  } catch (const UserError& error) {
    throw UserError(node.where(), error.what());
  }
}

std::vector<Host> read_hosts(const YamlNode& node) {
  std::vector<Host> hosts;
  for (const YamlNode& item : node.items()) {
    item.allow_keys({"name", "ranks"});
    Host host;
    const YamlNode name = item.at("name");
    host.name = name.as_string();
    if (!is_host_name(host.name))
      name.fail("is `" + host.name +
                "`, which is no name of a host: letters, digits, `.`, `-`, `_`");
    for (const Host& other : hosts)
      if (other.name == host.name)
        name.fail("lists `" + host.name + "` a second time; give its ranks once");
    if (const auto ranks = item.find("ranks"))
      host.ranks = static_cast<int>(ranks->as_int(1, kMaxRanks));
    hosts.push_back(host);
  }
  if (hosts.empty()) node.fail("is empty; list at least one host, or give cluster.ranks");
  if (ranks_of(hosts) > kMaxRanks)
    node.fail("has " + std::to_string(ranks_of(hosts)) + " ranks in all; at most " +
              std::to_string(kMaxRanks) + " can run");
  return hosts;
}

// The value of a key; nothing when the command line gives another of the keys that say the same.
std::optional<YamlNode> unless_replaced(const YamlNode& node, const std::string& key,
                                        const std::vector<std::string>& same) {
  const auto value = node.find(key);
  if (!value || !value->where().known()) return value;
  for (const std::string& other : same) {
    const auto another = node.find(other);
    if (other != key && another && !another->where().known()) return std::nullopt;
  }
  return value;
}

// `ranks: N` is short for one local host, and `hostfile` for the hosts in a file. `ranks` may be
// given beside the others if it agrees; what the command line gives replaces what the file says.
void read_who(ConfigReader& reader, const YamlNode& node) {
  ClusterConfig& cluster = reader.config.cluster;
  const std::vector<std::string> keys = {"hosts", "hostfile", "ranks"};
  const auto hosts = unless_replaced(node, "hosts", keys);
  const auto hostfile = unless_replaced(node, "hostfile", keys);
  const auto ranks = unless_replaced(node, "ranks", keys);
  if (hosts && hostfile)
    node.fail_key("hostfile", "cannot be combined with cluster.hosts; remove one");
  if (hosts) cluster.hosts = read_hosts(*hosts);
  if (hostfile) cluster.hosts = read_hostfile(reader.existing(*hostfile));
  if (const auto& given = hosts ? hosts : hostfile)
    reader.config.origins["cluster.hosts"] = given->where();
  if (!ranks) return;
  const int count = static_cast<int>(ranks->as_int(1, kMaxRanks));
  if ((hosts || hostfile) && count != cluster.ranks())
    ranks->fail("is " + std::to_string(count) + ", but cluster." + (hosts ? "hosts" : "hostfile") +
                " has " + std::to_string(cluster.ranks()) + " ranks; give only one of the two");
  if (hosts || hostfile) return;
  cluster.hosts = {{"localhost", count}};
  reader.config.origins["cluster.hosts"] = ranks->where();
}

// In a Slurm allocation the hosts are those of the allocation, unless the config names some.
void take_allocation(ConfigReader& reader, const YamlNode& node) {
  ClusterConfig& cluster = reader.config.cluster;
  if (cluster.transport != "mpi" || node.find("hosts") || node.find("hostfile")) return;
  const std::optional<std::vector<Host>> allocated = slurm_hosts();
  if (!allocated) return;
  const auto ranks = node.find("ranks");
  if (ranks && cluster.ranks() > ranks_of(*allocated))
    ranks->fail("is " + std::to_string(cluster.ranks()) + ", and the Slurm allocation has " +
                std::to_string(ranks_of(*allocated)) + " tasks (" + print_hosts(*allocated) +
                "); ask sbatch for more (--ntasks-per-node), or for fewer ranks here");
  cluster.hosts = ranks ? first_ranks(*allocated, cluster.ranks()) : *allocated;
  if (!ranks) reader.config.origins["cluster.hosts"] = SourceLocation("SLURM_JOB_NODELIST", 0);
}

void settle_transport(ConfigReader& reader, const YamlNode& node) {
  ClusterConfig& cluster = reader.config.cluster;
  if (cluster.transport == "mpi" || only_this_machine(cluster.hosts)) return;
  if (const auto given = node.find("transport"))
    given->fail(
        "is local, which is threads of one process, but cluster.hosts has other machines (" +
        print_hosts(cluster.hosts) + "); remove it, or say mpi");
  cluster.transport = "mpi";
}

}  // namespace

void read_cluster(ConfigReader& reader, const YamlNode& node) {
  ClusterConfig& cluster = reader.config.cluster;
  node.allow_keys({"transport", "hosts", "hostfile", "ranks", "threads", "timeout", "cpu", "device",
                   "collectives", "measured", "debug_comm"});
  reader.read(node, "transport", cluster.transport, [](const YamlNode& n) {
    return n.as_choice({"mpi", "local"});
  });
  if (const char* settled = std::getenv(kHostsVariable)) {
    // On a rank: what the process that started it has found, from files that may not be here.
    cluster.hosts = parse_hosts(settled, kHostsVariable);
    cluster.transport = "mpi";
  } else {
    read_who(reader, node);
    take_allocation(reader, node);
    settle_transport(reader, node);
  }
  reader.read(node, "threads", cluster.threads, [](const YamlNode& n) {
    return n.is_word("auto") ? 0 : static_cast<int>(n.as_int(1, 1024));
  });
  reader.read(node, "timeout", cluster.timeout, seconds_of);
  reader.read(node, "cpu", cluster.cpu, cpu_level);
  reader.read(node, "device", cluster.device, [](const YamlNode& n) {
    return parse_device_kind(n.as_choice({"cpu", "gpu", "simulated"}), "cluster.device");
  });
  reader.read(node, "collectives", cluster.collectives, [](const YamlNode& n) {
    return parse_collectives_kind(n.as_choice({"auto", "staged", "nccl"}), "cluster.collectives");
  });
  reader.read(node, "measured", cluster.measured,
              [&](const YamlNode& n) { return reader.existing(n); });
  reader.read(node, "debug_comm", cluster.debug_comm,
              [](const YamlNode& n) { return n.as_bool(); });
}

}  // namespace tessera::internal
