#pragma once

#include <optional>

#include "comm/mpi/launch_info.h"
#include "launcher/rank_reports.h"

namespace tessera {

// How a rank that is a process ends when it failed. Many ranks fail because one did, so:
//
// - what failed is said once: to the process that supervises the job, or on standard error by the
//   rank whose error it is (by rank 0 where the error is about a peer);
// - mpirun returns the exit code of the rank that ends first, and ends the others. A rank with an
//   error about a peer therefore lets the one with the cause go first, for two seconds at most.

void report_failure(const std::optional<RankReports>& reports, const RankError& error);

// Reports nothing and ends this process at once: peers may be gone, so nothing that waits for them
// may run.
[[noreturn]] void leave_after_cause(const std::optional<RankReports>& reports,
                                    const MpiLaunchInfo& info, int code);

}  // namespace tessera
