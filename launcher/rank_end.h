#pragma once

#include <string>

#include "comm/mpi/launch_info.h"
#include "launcher/job_link.h"

namespace tessera {

// How a rank that is a process ends when it failed. Many ranks fail because one did, so:
//
// - what failed is said once: to the process that supervises the job, or on standard error by the
//   rank whose error it is (by rank 0 where the error is about a peer);
// - mpirun returns the exit code of the rank that ends first, and ends the others. A rank with an
//   error about a peer therefore lets the one with the cause go first, for two seconds at most.
//
// `link` is nullptr where nobody supervises the job.

void report_failure(JobLink* link, const RankError& error);

// Reports nothing and ends this process at once: peers may be gone, so nothing that waits for them
// may run.
[[noreturn]] void leave_after_cause(JobLink* link, const MpiLaunchInfo& info, int code);

// The launcher is out of reach: nobody else would end this rank, nor, on another host, the daemon
// of mpirun that started it.
[[noreturn]] void leave_lost_job();

}  // namespace tessera
