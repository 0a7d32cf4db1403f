#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/hosts.h"

namespace tessera {

struct SupervisedJob {
  std::vector<std::string> command;  // of every rank
  std::vector<Host> hosts;
  double timeout = 60;  // seconds that mpirun or this process may be stopped
  // A first SIGTERM, and SIGUSR1, is told the ranks over the side channel, upon which they end by
  // themselves, however long that takes. mpirun would end them two seconds later.
  bool leaves_on_signal = false;
};

// How a job ended.
struct JobEnd {
  int code = 0;                         // exit code
  bool asked = false;                   // by a signal to this process
  std::vector<std::string> lost_hosts;  // by the names that the job has for them
  int64_t last_step = 0;                // that any rank said it has done; 0: none
};

// Starts the ranks through mpirun, on this machine or on several, and watches them. Lines of the
// ranks pass through. However the job ends, and however this process does, no process and no shared
// memory is left on any host: see ScratchFolder, JobServer, JobLink.
//
// The exit code is 0, or that of the rank which failed first, or kPeerFailed when a rank or mpirun
// was killed, mpirun did not start the ranks or did not end, or one of them, or a whole host, gave
// no sign of life for too long; kJobFailed when a signal asked for the end. The reason is printed
// once on standard error, with the rank's number and what it was doing.
JobEnd supervise(const SupervisedJob& job);

// The seconds in which all ranks of a job must have started.
double start_seconds(int ranks, double timeout);

// The seconds after which a rank that says nothing counts as lost.
double silence_seconds(double timeout);

}  // namespace tessera
