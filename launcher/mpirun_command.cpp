#include "launcher/mpirun_command.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "launcher/job_address.h"
#include "launcher/progress_target.h"
#include "launcher/restarts.h"

namespace tessera {
namespace {

void add(std::vector<std::string>& words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
}

// Where the program lies, for hosts on which PATH may be another.
std::string absolute_program(const std::string& word) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? word : self.string();
}

}  // namespace

std::vector<std::string> mpirun_command(const std::vector<std::string>& command,
                                        const std::vector<Host>& hosts, const std::string& folder) {
  std::vector<std::string> argv = {"mpirun", "-np", std::to_string(ranks_of(hosts)), "--bind-to",
                                   "none", "--oversubscribe",
                                   // Ranks that wait give their core to those that compute.
                                   "--mca", "mpi_yield_when_idle", "1",
                                   // A failing job is reported by us.
                                   "--mca", "orte_abort_print_stack", "0"};
  if (only_this_machine(hosts)) {
    // Shared memory lies where it is removed whatever happens.
    add(argv,
        {"--mca", "btl_vader_backing_directory", folder, "--mca", "orte_tmpdir_base", folder});
  } else {
    // Ranks are numbered host by host. MPI's own shared memory, which ranks that are killed while
    // they start would leave in files on other hosts, is not used: collectives have theirs. The
    // daemons of a host that is cut off end by themselves: a
    // link that is silent for 10 s is tried three times, 2 s apart. Data is sent, not put into the
    // receiver's memory, and little of it waits in sockets: else acknowledgements of what comes
    // wait behind what goes, and one direction of a link waits for the other.
    add(argv, {"--host",
               print_hosts(hosts),
               "--map-by",
               "slot",
               "--mca",
               "btl",
               "^vader",
               "--mca",
               "btl_tcp_flags",
               "send",
               "--mca",
               "btl_tcp_sndbuf",
               "262144",
               "--mca",
               "orte_local_tmpdir_base",
               folder,
               "--mca",
               "oob_tcp_keepalive_time",
               "10",
               "--mca",
               "oob_tcp_keepalive_intvl",
               "2",
               "--mca",
               "oob_tcp_keepalive_probes",
               "3"});
    add(argv, {"-x", kHostsVariable});
    for (const char* name : {kStartedVariable, kRestartVariable})
      if (std::getenv(name) != nullptr) add(argv, {"-x", name});
  }
  if (geteuid() == 0) argv.push_back("--allow-run-as-root");
  add(argv, {"-x", kJobVariable, "-x", kTerminalVariable});
  const size_t program = argv.size();
  add(argv, command);
  if (!only_this_machine(hosts) && !command.empty())
    argv[program] = absolute_program(argv[program]);
  return argv;
}

void require_open_files(int ranks) {
  const rlim_t needed = 64 + 8 * static_cast<rlim_t>(ranks);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  const rlimit raised{std::min(needed, limit.rlim_max), limit.rlim_max};
  if (raised.rlim_cur < needed || ::setrlimit(RLIMIT_NOFILE, &raised) != 0)
    throw DeviceError(
        fmt::format("{} ranks through mpirun need {} open files, and {} are allowed; raise the "
                    "limit (ulimit -n {}) or use transport: local",
                    ranks, needed, limit.rlim_max, std::max<rlim_t>(1024, needed)));
}

}  // namespace tessera
