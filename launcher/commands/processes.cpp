#include "launcher/commands/processes.h"

#include <cstdlib>

namespace tessera {

void ProcessArguments::add_options(CLI::App& command) {
  command.add_option("--ranks", ranks, "processes of this machine (default: 2)")
      ->check(CLI::Range(2, 1024));
  CLI::Option* host =
      command.add_option("--host", hosts, "where ranks run instead, as node1:2,node2:2");
  command.add_option("--hostfile", hostfile, "the same from a file with lines `HOST slots=N`")
      ->excludes(host);
  command.add_option("--timeout", timeout, "seconds that a rank waits for another (default: 60)")
      ->check(positive_seconds());
}

RanksOptions ProcessArguments::ranks_options(const CommandLine& line) const {
  RanksOptions options;
  options.transport = "mpi";
  options.timeout = timeout;
  options.command = line.argv;
  if (const char* settled = std::getenv(kHostsVariable)) {
    options.hosts = parse_hosts(settled, kHostsVariable);
  } else if (!hosts.empty()) {
    options.hosts = parse_hosts(hosts, "--host");
    options.asked_by = "--host";
  } else if (!hostfile.empty()) {
    options.hosts = read_hostfile(hostfile);
    options.asked_by = "--hostfile";
  } else {
    options.hosts = {{"localhost", ranks}};
    options.asked_by = "--ranks";
  }
  return options;
}

}  // namespace tessera
