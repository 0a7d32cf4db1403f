#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "launcher/commands/commands.h"
#include "launcher/ranks.h"

namespace tessera {

// Where the processes run that measure what lies between them: --ranks, --host, --hostfile,
// --timeout.
struct ProcessArguments {
  int ranks = 2;  // of this machine
  std::string hosts;
  std::string hostfile;
  double timeout = 60;  // seconds that any wait for a peer may take

  void add_options(CLI::App& command);
  // Processes, started by mpirun. A rank of a job on hosts learns from the launcher where all are:
  // the file of hosts may be there only.
  RanksOptions ranks_options(const CommandLine& line) const;
};

}  // namespace tessera
