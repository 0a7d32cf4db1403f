#include "launcher/commands/execution.h"

#include "launcher/commands/arguments.h"
#include "launcher/planning.h"
#include "launcher/statements.h"

namespace tessera {

void ExecutionArguments::add_options(CLI::App& command) {
  command.add_option("--ranks", ranks, "how many ranks share the work")->check(CLI::Range(1, 4096));
  command.add_option("--threads", threads, "that compute on each rank")->check(CLI::Range(1, 4096));
  command.add_option("--transport", transport, "local (threads) or mpi (mpirun)")
      ->check(CLI::IsMember({"local", "mpi"}));
  command.add_option("--mesh", mesh, "mesh shape, as data=2,model=2 (default: auto)");
  command.add_option("--plan", plan, "a plan made by `tessera plan --out`");
  command
      .add_option("--timeout", timeout, "seconds that any wait for a rank may take (default: 60)")
      ->check(positive_seconds());
  add_cpu_option(command, cpu);
}

RanksOptions ExecutionArguments::ranks_options(const CommandLine& line) const {
  return {ranks.value_or(1), transport, timeout, line.argv, ranks ? "--ranks" : ""};
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
  const Plan shared = share_plan(world, [&] {
    PlanSettings settings;
    settings.file = plan;
    settings.mesh = parse_mesh_option(mesh);
    settings.threads = threads_on(world);
    settings.cpu = cpu.value_or(CpuLevel::host);
    return make_plan(normal, world.size(), settings);
  });
  const ClusterCommCost prices = comm_cost_here(world.size());
  return {normal, shared, compiler, world, ExecutableOptions{threads_on(world), &prices}};
}

}  // namespace tessera
