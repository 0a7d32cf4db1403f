#pragma once

#include <string>
#include <vector>

#include "launcher/hosts.h"

namespace tessera {

// Of a rank's environment: when the command began, in seconds since 1970.
inline constexpr const char* kStartedVariable = "TESSERA_STARTED";

// Of a rank's environment, of a job on several hosts: where mpirun itself keeps files. MPI in a
// rank takes the variable for a contradiction of what its daemon says, so it must go before MPI
// starts.
inline constexpr const char* kLocalTmpVariable = "OMPI_MCA_orte_local_tmpdir_base";

// The command line of the mpirun that starts `command` on every rank. Sees to what mpirun asks of
// its user: root, more ranks than cores, yielding when ranks share cores, lost links between hosts.
// `folder` is for what mpirun keeps in files on this machine.
std::vector<std::string> mpirun_command(const std::vector<std::string>& command,
                                        const std::vector<Host>& hosts, const std::string& folder);

// mpirun keeps some 40 files open and some for each rank, and waits for ever when it cannot. Raises
// the limit where that is allowed; else DeviceError.
void require_open_files(int ranks);

}  // namespace tessera
