#pragma once

#include <mpi.h>

#include <memory>
#include <mutex>
#include <vector>

#include "comm/failure.h"
#include "comm/mpi/mpi_world.h"

namespace tessera {

// Carries the first failure between the ranks of an MPI world: a message to every rank, for which
// each keeps a receive posted. It is looked for while a rank waits for something else.
class MpiFailureRecord : public FailureRecord {
 public:
  // Collective over MPI_COMM_WORLD.
  explicit MpiFailureRecord(std::shared_ptr<MpiRuntime> runtime);
  ~MpiFailureRecord() override;

 protected:
  void announce(const std::string& text) override;
  void poll() override;

 private:
  static constexpr size_t kTextBytes = 1'000;

  const std::shared_ptr<MpiRuntime> runtime_;
  std::mutex mutex_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  MPI_Request incoming_ = MPI_REQUEST_NULL;
  char received_[kTextBytes] = {};
  std::string sent_;
  std::vector<MPI_Request> outgoing_;
};

}  // namespace tessera
