#pragma once

#include <string>
#include <vector>

namespace tessera {

// A machine and how many ranks it runs. Ranks are numbered host by host, in the order of the list.
struct Host {
  std::string name = "localhost";
  int ranks = 1;
  bool operator==(const Host&) const = default;
};

inline constexpr int kMaxRanks = 4096;

// Of a rank's environment: the hosts of its job, as print_hosts writes them.
inline constexpr const char* kHostsVariable = "TESSERA_HOSTS";

int ranks_of(const std::vector<Host>& hosts);

// "a:2,b:2", as mpirun has it; a host without a number has one rank. `option` names the text in
// errors. UserError for names that are none, numbers that are none, and a host that comes twice.
std::vector<Host> parse_hosts(const std::string& text, const std::string& option);
// The other way round.
std::string print_hosts(const std::vector<Host>& hosts);

// A file of hosts in Open MPI's form, a host a line; `#` begins a comment:
//
//   node1 slots=2
//   node2 slots=4 max_slots=4     # max_slots is read and not needed
//
// UserError with file:line for what is something else, and for a host that comes twice.
std::vector<Host> read_hostfile(const std::string& file);

// Whether it may be the name of a host: letters, digits, `.`, `-` and `_`, the first no `-`.
bool is_host_name(const std::string& name);

// Whether ranks on these hosts are processes of this machine only.
bool only_this_machine(const std::vector<Host>& hosts);
std::string this_host_name();

// The first `ranks` ranks of the hosts, for a job that needs no more.
std::vector<Host> first_ranks(const std::vector<Host>& hosts, int ranks);

}  // namespace tessera
