#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "comm/communicator.h"

namespace tessera {

// What MPI itself waits for cannot be interrupted: its start, its end, making groups. When one of
// them takes longer than `limit`, `give_up` is called with a text that says so, on another thread,
// and must end the process. By default it prints the text and exits with code 3.
struct MpiPatience {
  std::chrono::milliseconds limit{30'000};
  std::function<void(const std::string& text)> give_up;
};

// MPI between its initialisation and its end. If MPI was initialised before, this object uses it
// and leaves its end to whoever began it.
class MpiRuntime {
 public:
  // Throws CommError unless MPI grants full thread support (MPI_THREAD_MULTIPLE): the
  // communication thread waits while others may call fail().
  explicit MpiRuntime(MpiPatience patience = {});
  // Ends MPI, which waits for all ranks; hence not after abandon() or while an exception leaves.
  ~MpiRuntime();
  MpiRuntime(const MpiRuntime&) = delete;
  MpiRuntime& operator=(const MpiRuntime&) = delete;

  // The peers may be gone: do not wait for them at the end. The process should exit with a code
  // other than 0 soon; mpirun then ends the others.
  void abandon() { abandoned_ = true; }

  // Makes MPI calls that wait for all ranks, within the limit. `what` is what did not happen when
  // it is over: "MPI did not start".
  void within_limit(const std::string& what, const std::function<void()>& calls) const;

  // Ends all ranks at once; mpirun returns `code`.
  [[noreturn]] void abort(int code);

 private:
  const MpiPatience patience_;
  bool owner_ = false;
  bool abandoned_ = false;
  int exceptions_;
};

// The world of all MPI ranks, apart from all other worlds made so: one may fail without the other.
// Collective over all ranks. It keeps the runtime alive.
//
// Collectives between ranks of one machine go through shared memory (shared_collectives.h), between
// ranks of which each has a machine of its own through messages (message_collectives.h), and else
// through both (mixed_collectives.h); the results have the same bits.
std::unique_ptr<Communicator> make_mpi_world(std::shared_ptr<MpiRuntime> runtime,
                                             const CommOptions& options = {});

// The same with a runtime of its own.
std::unique_ptr<Communicator> make_mpi_world(const CommOptions& options = {});

}  // namespace tessera
