#include "launcher/ranks.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "comm/local/local_group.h"
#include "comm/mpi/launch_info.h"
#include "comm/mpi/mpi_world.h"
#include "launcher/exit_code.h"
#include "launcher/launcher_watch.h"
#include "launcher/rank_end.h"
#include "launcher/rank_reports.h"
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
  return comm;
}

void require_size(const RanksOptions& options, const MpiLaunchInfo& info) {
  if (options.asked_by.empty() || options.ranks == info.size) return;
  throw UserError(fmt::format(
      "{} asks for {} rank{}, and this job was started with {}: change one of them (without an "
      "mpirun of your own, tessera starts the ranks itself)",
      options.asked_by, options.ranks, options.ranks == 1 ? "" : "s", info.size));
}

using Reports = std::optional<RankReports>;

// When the process that started this rank is killed, nobody else would end the rank; while it is
// stopped, nobody would notice anything.
std::unique_ptr<LauncherWatch> watch_launcher(const RankReports& reports, int rank,
                                              double timeout) {
  const WatchedProcess launcher = reports.launcher();
  if (launcher.pid == 0) return nullptr;
  return std::make_unique<LauncherWatch>(launcher, timeout, [=](WatchEnd end) {
    if (end == WatchEnd::gone) {
      std::error_code ignored;
      std::filesystem::remove_all(reports.folder(), ignored);
    } else {
      reports.failed({rank, kPeerFailed,
                      fmt::format("the process {} that supervises the job was stopped for {:g} s "
                                  "(SIGSTOP, or Ctrl-Z); the job was ended",
                                  launcher.pid, timeout)});
      ::kill(launcher.pid, SIGCONT);  // so that it can say so
    }
    _exit(kPeerFailed);
  });
}

// This process is one rank of an MPI job.
int run_as_mpi_rank(const RanksOptions& options, const MpiLaunchInfo& info,
                    const std::function<void(Communicator&)>& body) {
  const Reports reports = RankReports::of_environment();
  std::unique_ptr<LauncherWatch> watch;
  if (reports) {
    reports->started(info.rank);
    watch = watch_launcher(*reports, info.rank, options.timeout);
  }
  configure_log(info.rank, LogLevel::kWarning);
  MpiPatience patience;
  patience.limit = milliseconds_of(start_seconds(info.size, options.timeout));
  patience.give_up = [&reports, &info](const std::string& text) {
    report_failure(reports, {info.rank, kPeerFailed, text});
    _exit(kPeerFailed);
  };
  try {
    require_size(options, info);
    const auto runtime = std::make_shared<MpiRuntime>(patience);
    const std::unique_ptr<Communicator> world = make_mpi_world(runtime, comm_options(options));
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
    report_failure(reports, {info.rank, code, text_of(error)});
    leave_after_cause(reports, info, code);
  }
  return kDone;
}

}  // namespace

int run_on_ranks(const RanksOptions& options, const std::function<void(Communicator&)>& body) {
  const MpiLaunchInfo info = detect_mpi_launch();
  if (info.launched()) return run_as_mpi_rank(options, info, body);
  if (options.transport == "mpi" && options.ranks > 1)
    return supervise({options.command, options.ranks, options.timeout, options.leaves_on_signal});
  run_local_ranks(options.ranks, comm_options(options), body);
  return kDone;
}

int threads_per_rank(int ranks) {
  const MpiLaunchInfo info = detect_mpi_launch();
  const int here = info.launched() ? info.local_size : ranks;
  return std::max(1, usable_cores() / std::max(1, here));
}

}  // namespace tessera
