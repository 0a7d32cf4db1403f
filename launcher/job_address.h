#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

// Who a process is, as it says itself.
struct JobProcess {
  std::string host;
  pid_t pid = 0;
  uint64_t started = 0;  // process_state.h
};
JobProcess this_process();
// Whether it is a process of this machine that is stopped by a signal.
bool is_stopped_here(const JobProcess& process);

// Where the launcher of a job listens, and what a rank needs to know to speak with it. It travels
// in the environment of the ranks, not on a command line, since whoever has `token` may speak.
struct JobAddress {
  std::string token;
  JobProcess launcher;
  double silence = 15;  // seconds after which one who says nothing counts as lost
  std::vector<std::string>
      where;  // "unix:/dev/shm/…/job", or "10.0.0.7:41235", one for each network
  bool several_hosts() const { return where.empty() || where[0].rfind("unix:", 0) != 0; }
};

inline constexpr const char* kJobVariable = "TESSERA_SUPERVISION";

std::string print_job_address(const JobAddress& address);
// Nothing when the text is none.
std::optional<JobAddress> parse_job_address(const std::string& text);

// A listening socket: for processes of this machine a file in `folder`, else TCP on all networks.
// Fills in `where`. Throws DeviceError.
int listen_for_ranks(const std::string& folder, bool several_hosts, JobAddress& address);

// Connects to the first of `where` that answers within `seconds`; -1 when none does.
int connect_to_launcher(const JobAddress& address, double seconds);

std::string random_token();

}  // namespace tessera
