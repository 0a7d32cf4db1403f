#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "comm/communicator.h"
#include "runtime/task_graph.h"

namespace tessera {

class ComputeDevice;

struct ExecuteOptions {
  bool check_finite = false;  // stop at the first NaN or infinity (runtime/finite_check.h)
};

// When a task ran in the last step, in seconds since the step began.
struct TaskTime {
  double begin = 0;
  double end = 0;
};

// One run of a task; seconds of the steady clock, as seconds_of_clock() gives them.
struct TaskSpan {
  int task = 0;            // the graph's tasks, those in loops after the loop, counted from 0
  int64_t iteration = -1;  // of the innermost loop around
  double ready = 0;        // the stream had nothing else to do from here on
  double begin = 0;        // what the task depends on had ended
  double end = 0;
};
double seconds_of_clock();

// A step that read outside a tensor; thrown on all ranks alike.
class ReadOutside : public UserError {
 public:
  using UserError::UserError;
};

// Runs the task graph of one rank on a device, step after step: kernels and copies in one stream,
// for which the calling thread goes through the tasks, collectives in another one, for which a
// thread of their own does, so that the two overlap. The device's memory is left to the device.
//
// A kernel that reads outside a tensor reads 0 there and the step goes on to its end, so that no
// peer waits in vain; then run() throws the ReadOutside of the lowest rank that has one, on all
// ranks, and further steps may follow. Any other error ends the step on this rank, tells the peers
// (their step ends with CommError), and is thrown by run(); after it, so is CommError. Not
// thread-safe.
class Executor {
 public:
  // Compiles the kernels. `device` and `world` must outlive it. Splits `world`: every rank must
  // make its executors in the same order, after all have agreed about their collectives.
  Executor(TaskGraph graph, ComputeDevice& device, Communicator& world,
           const ExecuteOptions& options);
  ~Executor();
  Executor(Executor&&) noexcept;

  // Between steps, of inputs, parameters, states and outputs: from and to memory of the host.
  void write(const Tensor& tensor, std::span<const std::byte> bytes);
  void read(const Tensor& tensor, std::span<std::byte> bytes) const;
  // Memory of the host in which whoever writes all of a tensor may leave it; the next step takes it
  // from there.
  std::byte* place_to_write(const Tensor& tensor);

  void run();

  const TaskGraph& graph() const;
  // Where kernels run beside the host, when the host had started them, unless they are recorded.
  const std::vector<TaskTime>& times() const;

  // From the next step on, the runs of all tasks are recorded, up to `most` of each stream; 0: no
  // more.
  void record(size_t most);
  // What was recorded since the last call, those of a stream in order; `lost` counts the others.
  struct Recorded {
    std::vector<TaskSpan> computing;
    std::vector<TaskSpan> communicating;
    int64_t lost = 0;
  };
  Recorded take_recorded();
  // Bytes of arena and scratch, on the device.
  size_t memory_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera
