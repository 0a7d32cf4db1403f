#include "launcher/hosts.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>

#include "base/error.h"
#include "launcher/config.h"
#include "launcher/slurm_hosts.h"
#include "tests/launcher/temp_folder.h"

namespace tessera {
namespace {

TEST(HostList, IsReadAndPrinted) {
  const std::vector<Host> hosts = parse_hosts("a:2,b,node-3.cluster:16", "--host");
  EXPECT_EQ(hosts, (std::vector<Host>{{"a", 2}, {"b", 1}, {"node-3.cluster", 16}}));
  EXPECT_EQ(ranks_of(hosts), 19);
  EXPECT_EQ(print_hosts(hosts), "a:2,b:1,node-3.cluster:16");
}

TEST(HostList, SaysWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "--host: names no host; write HOST:RANKS,HOST:RANKS"},
      {"a:2,,b",
       "--host: `` is no name of a host; write HOST:RANKS,HOST:RANKS, as node1:2,node2:2"},
      {"-x:2",
       "--host: `-x:2` is no name of a host; write HOST:RANKS,HOST:RANKS, as node1:2,node2:2"},
      {"a b",
       "--host: `a b` is no name of a host; write HOST:RANKS,HOST:RANKS, as node1:2,node2:2"},
      {"a:0", "--host: `a:0` must end in a number of ranks from 1 to 4096"},
      {"a:2x", "--host: `a:2x` must end in a number of ranks from 1 to 4096"},
      {"a:2,b:1,a:1", "--host: lists `a` a second time; give its ranks once"},
      {"a:4096,b", "--host: has 4097 ranks in all; at most 4096 can run"},
  };
  for (const auto& [text, error] : cases)
    EXPECT_EQ(message_of<UserError>([&, &list = text] { parse_hosts(list, "--host"); }), error);
}

TEST(Hostfile, IsReadAsMpirunReadsIt) {
  const TempFolder folder;
  const std::string file = folder.write(
      "hosts", "# machines\nnode1 slots=2\n\n  node2\tslots=4 max_slots=4   # the large one\n");
  EXPECT_EQ(read_hostfile(file), (std::vector<Host>{{"node1", 2}, {"node2", 4}}));
}

TEST(Hostfile, SaysWhatIsWrong) {
  const TempFolder folder;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ": lists no host; a line is `HOST slots=N`"},
      {"a\n", ":1: `a` has no number of ranks; write `a slots=N`"},
      {"a slots=2\na slots=2\n", ":2: lists `a` a second time; give its slots once"},
      {"a slots=two\n", ":1: `slots=two` must be slots=N, N from 1 to 4096"},
      {"a cpus=2\n", ":1: `cpus=2` is not known here; a line is `HOST slots=N`"},
      {"a:2\n", ":1: `a:2` is no name of a host; a line is `HOST slots=N`"},
      {"a slots=4000\nb slots=97\n", ": has 4097 slots in all; at most 4096 ranks can run"},
  };
  for (const auto& [text, error] : cases) {
    const std::string file = folder.write("hosts", text);
    EXPECT_EQ(message_of<UserError>([&] { read_hostfile(file); }), file + error);
  }
}

TEST(HostList, KnowsThisMachine) {
  EXPECT_TRUE(only_this_machine({{"localhost", 4}}));
  EXPECT_TRUE(only_this_machine({{this_host_name(), 4}}));
  EXPECT_FALSE(only_this_machine({{"localhost", 4}, {"elsewhere", 1}}));
}

TEST(HostList, GivesTheFirstRanks) {
  const std::vector<Host> hosts = {{"a", 2}, {"b", 2}, {"c", 2}};
  EXPECT_EQ(first_ranks(hosts, 3), (std::vector<Host>{{"a", 2}, {"b", 1}}));
  EXPECT_EQ(first_ranks(hosts, 6), hosts);
}

std::optional<std::vector<Host>> allocation(const std::map<std::string, std::string>& variables) {
  return slurm_hosts([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

TEST(SlurmHosts, AreThoseOfTheAllocation) {
  EXPECT_EQ(allocation({}), std::nullopt);
  EXPECT_EQ(allocation({{"SLURM_JOB_NODELIST", "a"}}), std::nullopt);
  EXPECT_EQ(allocation({{"SLURM_JOB_ID", "7"},
                        {"SLURM_JOB_NODELIST", "node[01-02,7],gpu"},
                        {"SLURM_TASKS_PER_NODE", "2(x3),1"}}),
            (std::vector<Host>{{"node01", 2}, {"node02", 2}, {"node7", 2}, {"gpu", 1}}));
  EXPECT_EQ(allocation({{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_NODELIST", "a,b"}}),
            (std::vector<Host>{{"a", 1}, {"b", 1}}));
}

TEST(SlurmHosts, NodeListsAreExpanded) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(expand_node_list("n[9-11]", "list"), (Names{"n9", "n10", "n11"}));
  EXPECT_EQ(expand_node_list("n[09-11]", "list"), (Names{"n09", "n10", "n11"}));
  EXPECT_EQ(expand_node_list("r[1-2]n[1,3]x", "list"), (Names{"r1n1x", "r1n3x", "r2n1x", "r2n3x"}));
}

TEST(SlurmHosts, SaysWhatIsWrong) {
  for (const std::string text :
       {"n[", "n[1", "n[a-b]", "n[3-1]", "n[1-99999]", "a,,b", "-a", "n[]"})
    EXPECT_EQ(message_of<UserError>([&] { expand_node_list(text, "SLURM_JOB_NODELIST"); }),
              "SLURM_JOB_NODELIST is `" + text + "`; a list such as node[01-03,7],x was expected");
  EXPECT_EQ(message_of<UserError>([] {
              allocation({{"SLURM_JOB_ID", "7"},
                          {"SLURM_JOB_NODELIST", "a,b"},
                          {"SLURM_TASKS_PER_NODE", "2(3)"}});
            }),
            "SLURM_TASKS_PER_NODE is `2(3)`; numbers such as 2(x3),1 were expected");
  EXPECT_EQ(
      message_of<UserError>([] {
        allocation(
            {{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_NODELIST", "a,b"}, {"SLURM_TASKS_PER_NODE", "2"}});
      }),
      "SLURM_TASKS_PER_NODE is for 1 nodes and SLURM_JOB_NODELIST, `a,b`, has 2; give the "
      "hosts in cluster.hosts");
}

// What a config says about hosts.
ClusterConfig cluster_in(const std::string& cluster,
                         const std::vector<std::string>& overrides = {}) {
  return parse_config("program: {model: mlp}\ncluster: " + cluster + "\n", "t.yaml", overrides)
      .cluster;
}

TEST(ConfigHosts, SeveralMeanProcesses) {
  const ClusterConfig cluster = cluster_in("{hosts: [{name: a, ranks: 2}, {name: b}]}");
  EXPECT_EQ(cluster.hosts, (std::vector<Host>{{"a", 2}, {"b", 1}}));
  EXPECT_EQ(cluster.transport, "mpi");
  EXPECT_EQ(cluster.ranks(), 3);
}

TEST(ConfigHosts, MayLieInAFile) {
  const TempFolder folder;
  const std::string file = folder.write("hosts", "a slots=2\nb slots=2\n");
  EXPECT_EQ(cluster_in("{hostfile: " + file + "}").hosts, (std::vector<Host>{{"a", 2}, {"b", 2}}));
  EXPECT_EQ(cluster_in("{hostfile: " + file + "}", {"cluster.hosts=[{name: c}]"}).hosts,
            (std::vector<Host>{{"c", 1}}));
  EXPECT_EQ(cluster_in("{hostfile: " + file + "}", {"cluster.ranks=3"}).hosts,
            (std::vector<Host>{{"localhost", 3}}));
}

class Variables {
 public:
  explicit Variables(std::map<std::string, std::string> all) : all_(std::move(all)) {
    for (const auto& [name, value] : all_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variables() {
    for (const auto& [name, value] : all_) ::unsetenv(name.c_str());
  }
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;

 private:
  std::map<std::string, std::string> all_;
};

TEST(ConfigHosts, ComeFromTheSlurmAllocation) {
  const Variables slurm(
      {{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_NODELIST", "n[1-2]"}, {"SLURM_TASKS_PER_NODE", "2(x2)"}});
  const std::vector<Host> all = {{"n1", 2}, {"n2", 2}};
  EXPECT_EQ(cluster_in("{transport: mpi}").hosts, all);
  EXPECT_EQ(cluster_in("{transport: mpi, ranks: 3}").hosts,
            (std::vector<Host>{{"n1", 2}, {"n2", 1}}));
  EXPECT_EQ(cluster_in("{ranks: 3}").hosts, (std::vector<Host>{{"localhost", 3}})) << "threads";
  EXPECT_EQ(cluster_in("{hosts: [{name: n2}]}").hosts, (std::vector<Host>{{"n2", 1}}));
  EXPECT_EQ(message_of<UserError>([] { cluster_in("{transport: mpi, ranks: 5}"); }),
            "t.yaml:2:34: `cluster.ranks` is 5, and the Slurm allocation has 4 tasks (n1:2,n2:2); "
            "ask sbatch for more (--ntasks-per-node), or for fewer ranks here");
}

TEST(ConfigHosts, OnARankAreThoseOfTheLauncher) {
  const Variables settled(std::map<std::string, std::string>{{kHostsVariable, "a:2"}});
  EXPECT_EQ(cluster_in("{hostfile: only-there, transport: mpi}").hosts,
            (std::vector<Host>{{"a", 2}}));
}

}  // namespace
}  // namespace tessera
