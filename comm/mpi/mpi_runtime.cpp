#include <mpi.h>

#include <cstdlib>
#include <exception>

#include "comm/mpi/channel.h"
#include "comm/mpi/mpi_world.h"

namespace tessera {

MpiRuntime::MpiRuntime() : exceptions_(std::uncaught_exceptions()) {
  int initialised = 0;
  check_mpi(MPI_Initialized(&initialised), "MPI_Initialized");
  int provided = MPI_THREAD_SINGLE;
  if (initialised) {
    check_mpi(MPI_Query_thread(&provided), "MPI_Query_thread");
  } else {
    check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
    owner_ = true;
  }
  if (provided < MPI_THREAD_MULTIPLE)
    throw CommError(
        "MPI was started without support for calls from several threads (MPI_THREAD_MULTIPLE); "
        "use an MPI built with it, or let Tessera initialise MPI");
}

MpiRuntime::~MpiRuntime() {
  if (owner_ && !abandoned_ && std::uncaught_exceptions() <= exceptions_ && !mpi_is_over())
    MPI_Finalize();
}

void MpiRuntime::abort(int code) {
  MPI_Abort(MPI_COMM_WORLD, code);
  std::abort();
}

}  // namespace tessera
