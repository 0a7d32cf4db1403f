#pragma once

#include <string>
#include <vector>

namespace tessera {

struct SupervisedJob {
  std::vector<std::string> command;  // of every rank
  int ranks = 1;
  double timeout = 60;  // seconds that mpirun may be stopped
  // A first SIGTERM is passed on to the ranks as SIGUSR1, upon which they end by themselves; mpirun
  // would end them two seconds later.
  bool leaves_on_signal = false;
};

// Starts the ranks as processes of this machine through mpirun and watches them. Sees to what
// mpirun asks of its user: root, more ranks than cores, yielding when ranks share cores, room for
// shared memory, open files. Lines of the ranks pass through. However the job ends, and however
// this process does, no process and no shared memory is left: see ScratchFolder, LauncherWatch.
//
// Returns the exit code: 0, or that of the rank which failed first, or kPeerFailed when a rank or
// mpirun was killed, mpirun did not start the ranks or did not end, or one of them was stopped for
// too long; kJobFailed when a signal asked for the end. The reason is printed once on standard
// error, with the rank's number.
int supervise(const SupervisedJob& job);

// The seconds in which all ranks of a job must have started.
double start_seconds(int ranks, double timeout);

}  // namespace tessera
