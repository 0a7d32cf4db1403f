#pragma once

#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "launcher/hosts.h"
#include "launcher/restarts.h"
#include "runtime/device/open_device.h"

namespace tessera {

struct RanksOptions {
  std::vector<Host> hosts = {{}};    // of the ranks that mpirun starts
  std::string transport = "local";   // "local" or "mpi"
  double timeout = 60;               // seconds that any wait for a peer may take
  std::vector<std::string> command;  // this process's own command line, for mpirun
  std::string asked_by;              // "--ranks", "train.yaml:5:10"; empty: nobody gave `ranks`
  // The ranks leave in good order when SIGTERM or SIGUSR1 comes to them, or to who supervises them
  // (stop_signals.h).
  bool leaves_on_signal = false;
  bool debug_comm = false;  // CommOptions::debug
  RestartPolicy restart;    // of ranks that are processes
};

// Runs `body` once on every rank and returns the exit code of the command.
//
// - Under an mpirun or srun that is already there, this process is one of its ranks. UserError when
//   somebody asked for another number of them.
// - One rank, or transport local: the ranks are threads of this process.
// - Otherwise mpirun starts `command` on every rank, on all hosts, and this process supervises it.
//
// An exception in `body` ends all ranks; it is reported once, by its own text, on standard error.
int run_on_ranks(const RanksOptions& options, const std::function<void(Communicator&)>& body);

// The device of the kind that this rank asks for.
DeviceRequest device_request(DeviceKind kind, CollectivesKind collectives, int threads,
                             const Communicator& world);

// Threads that compute on each rank, so that the ranks of this machine share its cores: of a job of
// `ranks`, or of what mpirun says.
int threads_per_rank(int ranks);

}  // namespace tessera
