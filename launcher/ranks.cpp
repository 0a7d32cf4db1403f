#include "launcher/ranks.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "comm/local/local_group.h"
#include "comm/mpi/launch_info.h"
#include "comm/mpi/mpi_world.h"
#include "launcher/exit_code.h"
#include "launcher/folder_keeper.h"
#include "launcher/hosts.h"
#include "launcher/job_link.h"
#include "launcher/mpirun_command.h"
#include "launcher/rank_end.h"
#include "launcher/stop_signals.h"
#include "launcher/supervise.h"
#include "runtime/worker_pool.h"

namespace tessera {
namespace {

std::chrono::milliseconds milliseconds_of(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

CommOptions comm_options(const RanksOptions& options) {
  CommOptions comm;
  comm.timeout = milliseconds_of(options.timeout);
  comm.debug = options.debug_comm;
  return comm;
}

void require_size(const RanksOptions& options, const MpiLaunchInfo& info) {
  const int ranks = ranks_of(options.hosts);
  if (options.asked_by.empty() || ranks == info.size) return;
  throw UserError(fmt::format(
      "{} asks for {} rank{}, and this job was started with {}: change one of them (without an "
      "mpirun of your own, tessera starts the ranks itself)",
      options.asked_by, ranks, ranks == 1 ? "" : "s", info.size));
}

// Called when the launcher is gone, stopped or out of reach.
void end_without_launcher(JobLink& link, LinkEnd end, double seconds) {
  if (end == LinkEnd::stopped) {
    const JobProcess& launcher = link.address().launcher;
    link.failed(kPeerFailed,
                fmt::format("the process {} that supervises the job was stopped for {:g} s "
                            "(SIGSTOP, or Ctrl-Z); the job was ended",
                            launcher.pid, seconds));
    ::kill(launcher.pid, SIGCONT);  // so that it can say so
  }
  leave_lost_job();
}

// nullptr where nobody supervises the job.
std::unique_ptr<JobLink> link_to_launcher(const MpiLaunchInfo& info, double timeout,
                                          const std::shared_ptr<Activity>& activity) {
  const char* text = std::getenv(kJobVariable);
  const auto address = parse_job_address(text == nullptr ? "" : text);
  if (!address) return nullptr;
  // When mpirun, or its daemon on this host, is killed, this rank goes with it, even stopped.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return std::make_unique<JobLink>(JobLinkOptions{*address, info.rank, timeout, activity,
                                                  StopSignals::take, end_without_launcher});
}

// Where mpirun's daemon on this host is killed, nobody else would remove its files. One rank sees
// to that, with a process that outlives both.
void keep_daemon_folder(const MpiLaunchInfo& info, const JobLink* link,
                        std::optional<FolderKeeper>& keeper) {
  const char* folder = std::getenv("OMPI_MCA_orte_jobfam_session_dir");
  if (folder == nullptr || link == nullptr || info.local_rank != 0) return;
  if (link->address().launcher.host != this_host_name())
    keeper.emplace(folder, KeepOptions{false, true});
}

// This process is one rank of an MPI job.
int run_as_mpi_rank(const RanksOptions& options, const MpiLaunchInfo& info,
                    const std::function<void(Communicator&)>& body) {
  configure_log(info.rank, LogLevel::kWarning);
  ::unsetenv(kLocalTmpVariable);
  std::optional<StopSignals> signals;
  if (options.leaves_on_signal) signals.emplace();
  std::optional<FolderKeeper> keeper;
  std::unique_ptr<JobLink> link;
  MpiPatience patience;
  patience.limit = milliseconds_of(start_seconds(info.size, options.timeout));
  patience.give_up = [&link, &info](const std::string& text) {
    report_failure(link.get(), {info.rank, kPeerFailed, text});
    _exit(kPeerFailed);
  };
  try {
    CommOptions comm = comm_options(options);
    comm.activity = std::make_shared<Activity>();
    link = link_to_launcher(info, options.timeout, comm.activity);
    keep_daemon_folder(info, link.get(), keeper);
    require_size(options, info);
    const auto runtime = std::make_shared<MpiRuntime>(patience);
    const std::unique_ptr<Communicator> world = make_mpi_world(runtime, comm);
    try {
      body(*world);
      world->set_context("the end of the job");
      world->barrier();
    } catch (...) {
      world->fail(text_of(std::current_exception()));
      runtime->abandon();
      throw;
    }
  } catch (...) {
    const std::exception_ptr error = std::current_exception();
    const int code = exit_code_of(error);
    report_failure(link.get(), {info.rank, code, text_of(error)});
    leave_after_cause(link.get(), info, code);
  }
  return kDone;
}

}  // namespace

int run_on_ranks(const RanksOptions& options, const std::function<void(Communicator&)>& body) {
  const MpiLaunchInfo info = detect_mpi_launch();
  if (info.launched()) return run_as_mpi_rank(options, info, body);
  const int ranks = ranks_of(options.hosts);
  if (options.transport == "mpi" && (ranks > 1 || !only_this_machine(options.hosts)))
    return supervise_with_restarts(
        {options.command, options.hosts, options.timeout, options.leaves_on_signal},
        options.restart);
  run_local_ranks(ranks, comm_options(options), body);
  return kDone;
}

DeviceRequest device_request(DeviceKind kind, CollectivesKind collectives, int threads,
                             const Communicator& world) {
  const MpiLaunchInfo info = detect_mpi_launch();
  if (info.launched()) return {kind, collectives, threads, info.local_rank, info.local_size, false};
  return {kind, collectives, threads, world.rank(), world.size(), true};
}

int threads_per_rank(int ranks) {
  const MpiLaunchInfo info = detect_mpi_launch();
  const int here = info.launched() ? info.local_size : ranks;
  return std::max(1, usable_cores() / std::max(1, here));
}

}  // namespace tessera
