#include <fmt/format.h>
#include <mpi.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

#include "comm/mpi/channel.h"
#include "comm/mpi/mpi_world.h"
#include "comm/mpi/watchdog.h"

namespace tessera {

namespace {

constexpr int kPeersFailed = 3;

[[noreturn]] void print_and_exit(const std::string& text) {
  std::fprintf(stderr, "tessera: %s\n", text.c_str());
  std::fflush(nullptr);
  _exit(kPeersFailed);
}

}  // namespace

MpiRuntime::MpiRuntime(MpiPatience patience)
    : patience_(std::move(patience)), exceptions_(std::uncaught_exceptions()) {
  int initialised = 0;
  check_mpi(MPI_Initialized(&initialised), "MPI_Initialized");
  int provided = MPI_THREAD_SINGLE;
  if (initialised) {
    check_mpi(MPI_Query_thread(&provided), "MPI_Query_thread");
  } else {
    within_limit("MPI did not start", [&] {
      check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided),
                "MPI_Init_thread");
    });
    owner_ = true;
  }
  if (provided < MPI_THREAD_MULTIPLE)
    throw CommError(
        "MPI was started without support for calls from several threads (MPI_THREAD_MULTIPLE); "
        "use an MPI built with it, or let Tessera initialise MPI");
}

MpiRuntime::~MpiRuntime() {
  if (owner_ && !abandoned_ && std::uncaught_exceptions() <= exceptions_ && !mpi_is_over())
    within_limit("MPI did not end", [] { MPI_Finalize(); });
}

void MpiRuntime::within_limit(const std::string& what, const std::function<void()>& calls) const {
  const double seconds = std::chrono::duration<double>(patience_.limit).count();
  const std::string text = fmt::format(
      "{} within {:g} s: it waits for other ranks, which are gone, stopped, or no ranks of this "
      "program (every process of one mpirun must be one)",
      what, seconds);
  const Watchdog watchdog(patience_.limit, [this, &text] {
    if (patience_.give_up) patience_.give_up(text);
    print_and_exit(text);
  });
  calls();
}

void MpiRuntime::abort(int code) {
  MPI_Abort(MPI_COMM_WORLD, code);
  std::abort();
}

}  // namespace tessera
