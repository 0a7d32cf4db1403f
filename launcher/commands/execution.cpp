#include "launcher/commands/execution.h"

#include <cstdlib>

#include "base/error.h"
#include "launcher/commands/arguments.h"
#include "launcher/host_cluster.h"
#include "launcher/planning.h"
#include "launcher/slurm_hosts.h"
#include "launcher/statements.h"

namespace tessera {
namespace {

// The hosts of a Slurm allocation, or as many of its tasks as were asked for.
std::vector<Host> of_allocation(const std::vector<Host>& allocated, std::optional<int> ranks) {
  if (!ranks) return allocated;
  if (*ranks > ranks_of(allocated))
    throw UserError("--ranks is " + std::to_string(*ranks) + ", and the Slurm allocation has " +
                    std::to_string(ranks_of(allocated)) + " tasks (" + print_hosts(allocated) +
                    "); ask sbatch for more (--ntasks-per-node), or for fewer ranks here");
  return first_ranks(allocated, *ranks);
}

}  // namespace

void ExecutionArguments::add_options(CLI::App& command) {
  add_rank_options(command);
  command.add_option("--mesh", mesh, "mesh shape, as data=2,model=2 (default: auto)");
  command.add_option("--plan", plan, "a plan made by `tessera plan --out`");
  add_device_option(command, device);
}

void ExecutionArguments::add_rank_options(CLI::App& command) {
  command.add_option("--ranks", ranks, "how many ranks share the work")->check(CLI::Range(1, 4096));
  CLI::Option* host =
      command.add_option("--host", hosts, "where ranks run, as node1:2,node2:2 (mpirun)")
          ->excludes("--ranks");
  command.add_option("--hostfile", hostfile, "the same from a file with lines `HOST slots=N`")
      ->excludes("--ranks")
      ->excludes(host);
  command.add_flag("--debug-comm", debug_comm,
                   "before each collective, compare what it is for on all ranks");
  command.add_option("--threads", threads, "that compute on each rank")->check(CLI::Range(1, 4096));
  command.add_option("--transport", transport, "local (threads) or mpi (mpirun)")
      ->check(CLI::IsMember({"local", "mpi"}));
  command.add_option("--cluster", cluster,
                     "a file of `tessera calibrate`, by which collectives are priced");
  command
      .add_option("--timeout", timeout, "seconds that any wait for a rank may take (default: 60)")
      ->check(positive_seconds());
  add_cpu_option(command, cpu);
}

RanksOptions ExecutionArguments::ranks_options(const CommandLine& line) const {
  RanksOptions options;
  options.transport = transport;
  options.timeout = timeout;
  options.command = line.argv;
  options.debug_comm = debug_comm;
  if (const char* settled = std::getenv(kHostsVariable)) {
    options.hosts = parse_hosts(settled, kHostsVariable);
    return options;
  }
  if (!hosts.empty() || !hostfile.empty()) {
    options.hosts = hosts.empty() ? read_hostfile(hostfile) : parse_hosts(hosts, "--host");
    options.asked_by = hosts.empty() ? "--hostfile" : "--host";
    options.transport = "mpi";
  } else if (ranks) {
    options.hosts = {{"localhost", *ranks}};
    options.asked_by = "--ranks";
  }
  if (transport == "mpi" && hosts.empty() && hostfile.empty())
    if (const auto allocated = slurm_hosts()) options.hosts = of_allocation(*allocated, ranks);
  return options;
}

int ExecutionArguments::threads_on(const Communicator& world) const {
  return threads > 0 ? threads : threads_per_rank(world.size());
}

CompilerOptions ExecutionArguments::compiler_options(const Communicator& world) const {
  CompilerOptions options;
  options.worker_threads = threads_on(world);
  options.level = cpu.value_or(CpuLevel::host);
  return options;
}

Executable ExecutionArguments::make(const Program& program, const Program& normal,
                                    Compiler& compiler, Communicator& world) const {
  require_agreement(world, [&] {
    return std::vector{statement_of_build(cpu.value_or(CpuLevel::host)), statement_of(program),
                       RankStatement{"the command line", "mesh " + mesh}};
  });
  std::shared_ptr<ComputeDevice> opened =
      open_device(device_request(device.value_or(DeviceKind::cpu), CollectivesKind::automatic,
                                 threads_on(world), world),
                  compiler, world);
  const Cluster here = cluster_of_job(world, cluster);
  const Plan shared = share_plan(world, [&] {
    PlanSettings settings;
    settings.file = plan;
    settings.mesh = parse_mesh_option(mesh);
    settings.threads = threads_on(world);
    settings.cpu = cpu.value_or(CpuLevel::host);
    return plan_here(normal, here, settings);
  });
  const ClusterCommCost prices(here);
  return {normal, shared, compiler, world,
          ExecutableOptions{threads_on(world), &prices, false, std::move(opened)}};
}

}  // namespace tessera
