#include "comm/mpi/mpi_failure.h"

#include <chrono>
#include <thread>

#include "comm/mpi/channel.h"

namespace tessera {

MpiFailureRecord::MpiFailureRecord(std::shared_ptr<MpiRuntime> runtime)
    : runtime_(std::move(runtime)) {
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
  check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Irecv(received_, kTextBytes, MPI_CHAR, MPI_ANY_SOURCE, 0, comm_, &incoming_),
            "MPI_Irecv");
}

MpiFailureRecord::~MpiFailureRecord() {
  if (mpi_is_over()) return;
  if (incoming_ != MPI_REQUEST_NULL) {
    MPI_Cancel(&incoming_);
    MPI_Request_free(&incoming_);
  }
  for (MPI_Request& request : outgoing_)
    if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
  if (!failed()) MPI_Comm_free(&comm_);  // as in ~Channel
}

// An exception here would hide the failure that is being told, so codes are not checked.
void MpiFailureRecord::announce(const std::string& text) {
  std::lock_guard lock(mutex_);
  if (mpi_is_over()) return;
  sent_ = text.substr(0, kTextBytes - 1);
  int rank = 0, size = 0;
  MPI_Comm_rank(comm_, &rank);
  MPI_Comm_size(comm_, &size);
  for (int peer = 0; peer < size; ++peer) {
    if (peer == rank) continue;
    outgoing_.push_back(MPI_REQUEST_NULL);
    MPI_Isend(sent_.data(), static_cast<int>(sent_.size()), MPI_CHAR, peer, 0, comm_,
              &outgoing_.back());
  }
  // The process may exit right after: give the messages a moment to leave.
  constexpr int kTries = 100;
  for (int i = 0, done = 0; i < kTries && !done; ++i) {
    MPI_Testall(static_cast<int>(outgoing_.size()), outgoing_.data(), &done, MPI_STATUSES_IGNORE);
    if (!done) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void MpiFailureRecord::poll() {
  std::string text;
  {
    std::lock_guard lock(mutex_);
    if (incoming_ == MPI_REQUEST_NULL || mpi_is_over()) return;
    int done = 0, length = 0;
    MPI_Status status;
    check_mpi(MPI_Test(&incoming_, &done, &status), "MPI_Test");
    if (!done) return;
    MPI_Get_count(&status, MPI_CHAR, &length);
    text.assign(received_, static_cast<size_t>(length));
  }
  keep(text);
}

}  // namespace tessera
