#pragma once

#include <functional>
#include <optional>
#include <string>

namespace tessera {

// What the environment says about how this process was started, before MPI is initialised.
struct MpiLaunchInfo {
  std::string launcher;  // "mpirun", "slurm", "pmi"; "" for a process started alone
  int rank = 0;
  int size = 1;
  int local_rank = 0;  // among the ranks of this machine
  int local_size = 1;

  bool launched() const { return !launcher.empty(); }
};

// Looks for Open MPI's mpirun (OMPI_COMM_WORLD_*), then a Slurm step (SLURM_PROCID), then PMI as
// of MPICH's and Intel's mpiexec. A Slurm batch script itself, before srun, counts as alone.
// Throws UserError when the variables contradict each other.
MpiLaunchInfo detect_mpi_launch();

// The same for any environment: `variable` gives a variable's value, or nothing.
MpiLaunchInfo detect_mpi_launch(
    const std::function<std::optional<std::string>(const std::string&)>& variable);

}  // namespace tessera
