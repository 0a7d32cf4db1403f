#include "launcher/ranks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "base/log.h"
#include "comm/local/local_group.h"
#include "comm/mpi/launch_info.h"
#include "comm/mpi/mpi_world.h"
#include "launcher/exit_code.h"
#include "launcher/supervise.h"
#include "runtime/worker_pool.h"

namespace tessera {
namespace {

CommOptions comm_options(const RanksOptions& options) {
  CommOptions comm;
  comm.timeout = std::chrono::milliseconds(static_cast<int64_t>(options.timeout * 1000));
  return comm;
}

void require_size(const RanksOptions& options, const MpiLaunchInfo& info) {
  if (options.asked_by.empty() || options.ranks == info.size) return;
  throw UserError(fmt::format(
      "{} asks for {} rank{}, and this job was started with {}: change one of them (without an "
      "mpirun of your own, tessera starts the ranks itself)",
      options.asked_by, options.ranks, options.ranks == 1 ? "" : "s", info.size));
}

// This process is one rank of an MPI job.
int run_as_mpi_rank(const RanksOptions& options, const MpiLaunchInfo& info,
                    const std::function<void(Communicator&)>& body) {
  const std::string folder = supervision_folder();
  if (!folder.empty()) report_start(folder, info.rank);
  configure_log(info.rank, LogLevel::kWarning);
  try {
    require_size(options, info);
    const auto runtime = std::make_shared<MpiRuntime>();
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
    if (!folder.empty()) {
      report_error(folder, info.rank, code, text_of(error));
    } else if (code != kPeerFailed || info.rank == 0) {
      fmt::print(stderr, "tessera: rank {}: {}\n", info.rank, text_of(error));
    }
    std::fflush(nullptr);
    _exit(code);  // peers may be gone: nothing that waits for them may run
  }
  return kDone;
}

}  // namespace

int run_on_ranks(const RanksOptions& options, const std::function<void(Communicator&)>& body) {
  const MpiLaunchInfo info = detect_mpi_launch();
  if (info.launched()) return run_as_mpi_rank(options, info, body);
  if (options.transport == "mpi" && options.ranks > 1)
    return supervise(options.command, options.ranks);
  run_local_ranks(options.ranks, comm_options(options), body);
  return kDone;
}

int threads_per_rank(int ranks) {
  const MpiLaunchInfo info = detect_mpi_launch();
  const int here = info.launched() ? info.local_size : ranks;
  return std::max(1, usable_cores() / std::max(1, here));
}

}  // namespace tessera
