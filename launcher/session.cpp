#include "launcher/session.h"

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdlib>
#include <exception>

#include "base/error.h"
#include "comm/local/local_group.h"
#include "comm/mpi/launch_info.h"
#include "comm/mpi/mpi_world.h"
#include "ir/normalize.h"
#include "ir/stack_loops.h"
#include "launcher/commands/arguments.h"
#include "launcher/exit_code.h"
#include "launcher/rank_end.h"
#include "launcher/ranks.h"
#include "launcher/standard_streams.h"
#include "launcher/statements.h"
#include "runtime/device/open_device.h"

namespace tessera {
namespace {

// What an error that leaves main can reach: the world of the session that was made last.
std::atomic<Communicator*> live_world{nullptr};
std::atomic<std::terminate_handler> handler_before{nullptr};

// Errors of ours that nobody catches end the process as they end a command: with their text on
// standard error and the exit code of their kind. Peers are told. Others end as they did before.
[[noreturn]] void end_by_error() {
  try {
    if (const std::exception_ptr error = std::current_exception()) std::rethrow_exception(error);
  } catch (const Error& error) {
    const int code = exit_code_of(std::current_exception());
    const MpiLaunchInfo info = detect_mpi_launch();
    if (Communicator* world = live_world.load()) world->fail(error.what());
    if (info.launched())
      report_failure(nullptr, {info.rank, code, error.what()});
    else
      print_err("tessera: {}\n", error.what());
    leave_after_cause(nullptr, info, code);
  } catch (...) {
  }
  if (const std::terminate_handler before = handler_before.load()) before();
  std::abort();
}

void end_by_errors() {
  const std::terminate_handler before = std::set_terminate(end_by_error);
  if (before != end_by_error) handler_before.store(before);
}

std::unique_ptr<Communicator> world_of_environment() {
  end_by_errors();
  const MpiLaunchInfo info = detect_mpi_launch();
  if (info.launched()) {
    return make_mpi_world();
  }
  return std::move(make_local_group(1).front());
}

}  // namespace

Session::Options Session::options_of(int argc, char** argv) {
  Options options;
  PlanSettings& settings = options.planning;
  settings.threads = 0;
  std::string mesh;
  std::string memory;
  CLI::App app("options of a tessera session");
  app.allow_extras();
  app.set_help_flag("");
  app.add_option("--threads", settings.threads)->check(CLI::Range(1, 4096));
  app.add_option("--mesh", mesh);
  app.add_option("--memory", memory);
  app.add_option("--plan", settings.file);
  app.add_option("--cluster", settings.cluster);
  std::optional<CpuLevel> cpu;
  add_cpu_option(app, cpu);
  std::optional<DeviceKind> device;
  add_device_option(app, device);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    throw UserError(std::string("command line: ") + error.what());
  }
  settings.mesh = parse_mesh_option(mesh);
  settings.memory = parse_memory(memory);
  settings.cpu = cpu.value_or(CpuLevel::host);
  options.device = device.value_or(DeviceKind::cpu);
  return options;
}

Session::Session(int argc, char** argv)
    : owned_(world_of_environment()),
      world_(owned_.get()),
      options_(options_of(argc, argv)),
      compiler_(CompilerOptions{.worker_threads = options_.planning.threads,
                                .level = options_.planning.cpu}) {
  int& threads = options_.planning.threads;
  if (threads == 0) threads = threads_per_rank(world_->size());
  live_world.store(world_);
}

Session::Session(Communicator& world, PlanSettings settings, DeviceKind device)
    : world_(&world),
      options_{std::move(settings), device},
      compiler_(CompilerOptions{.worker_threads = options_.planning.threads,
                                .level = options_.planning.cpu}) {}

Session::~Session() {
  Communicator* mine = owned_.get();
  live_world.compare_exchange_strong(mine, nullptr);
  if (owned_ && std::uncaught_exceptions() > 0) owned_->fail("a rank left by an exception");
}

int Session::rank() const {
  return world_->rank();
}

int Session::size() const {
  return world_->size();
}

Executable Session::compile(const Program& program) {
  compare(program);
  const Program normal = stack_loops(normalize(program));
  const Cluster here = cluster_of_job(*world_, options_.planning.cluster);
  return make(normal, here,
              share_plan(*world_, [&] { return plan_here(normal, here, options_.planning); }));
}

Executable Session::compile(const Program& program, const Plan& plan) {
  compare(program);
  const Program normal = stack_loops(normalize(program));
  verify(plan, normal);
  return make(normal, cluster_of_job(*world_, options_.planning.cluster), plan);
}

Executable Session::make(const Program& normal, const Cluster& here, const Plan& plan) {
  const int threads = options_.planning.threads;
  if (!device_)
    device_ =
        open_device(device_request(options_.device, CollectivesKind::automatic, threads, *world_),
                    compiler_, *world_);
  const ClusterCommCost prices(here);
  return {normal, plan, compiler_, *world_, ExecutableOptions{threads, &prices, false, device_}};
}

void Session::compare(const Program& program) {
  require_agreement(*world_, [&] {
    return std::vector{statement_of_build(options_.planning.cpu), statement_of(program)};
  });
}

std::string Session::explain(const Executable& executable) const {
  return explain_here(executable.program(), executable.plan(), options_.planning);
}

}  // namespace tessera
