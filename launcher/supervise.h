#pragma once

#include <string>
#include <vector>

namespace tessera {

// Starts `ranks` processes of `command` on this machine through mpirun and watches them. Sees to
// what mpirun asks of its user: root, more ranks than cores, yielding when ranks share cores. Lines
// of the ranks pass through. Whatever ends the job, no process and no shared memory is left.
//
// Returns the exit code: 0, or that of the rank which failed first, or kPeerFailed when a rank was
// killed. The reason is printed once on standard error, with the rank's number.
int supervise(const std::vector<std::string>& command, int ranks);

// Environment of a rank that `supervise` started: the folder in which it reports its process and
// its error. Empty when nobody supervises this process.
std::string supervision_folder();

// Called by a rank: what `supervise` reads when the job ends.
void report_start(const std::string& folder, int rank);
void report_error(const std::string& folder, int rank, int exit_code, const std::string& text);

}  // namespace tessera
