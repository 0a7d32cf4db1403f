#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/device/device.h"
#include "runtime/task_graph.h"

namespace tessera {

// A place that moves with the iterations.
struct Pointer {
  std::byte* start = nullptr;  // of the buffer
  StackPlace place;
  int64_t element = 1;  // bytes

  std::byte* at(const std::vector<int64_t>& indices) const {
    return start + place.at(indices) * element;
  }
  // May it be no multiple of 16 bytes in some iteration?
  bool loose() const;
};

// A task ready to run (execute.cpp).
struct Job {
  const Task* task = nullptr;
  int number = 0;            // among all jobs
  int ordinal = 0;           // among all tasks
  std::string text;          // "task 3, all-reduce loss, mlp.tess:8"
  std::vector<int> depends;  // numbers
  std::unique_ptr<DeviceKernel> kernel;
  std::byte* fault = nullptr;         // the word in which the kernel reports one
  std::unique_ptr<DeviceEvent> done;  // recorded where it ends, if there are two streams
  std::vector<Pointer> arguments;     // of the kernel; of a copy: source, target, before
  std::vector<std::byte*> addresses;  // of the arguments in this iteration
  Pointer input, output;              // of a collective
  Communicator* group = nullptr;
  std::vector<Job> body;   // of a loop
  std::vector<int> whole;  // the last job of each stream in the body
  bool both = false;       // a loop on both streams
  // A loop that may end early: its condition, the number under which it is decided for each
  // iteration, and the pass that is the last one of the loop's current run.
  std::optional<Pointer> while_holds;
  int decision = 0;
  int64_t last = 0;

  bool communicates() const { return task->kind == TaskKind::communicate; }
};

struct JobCount {
  int jobs = 0;   // numbers that are taken
  int tasks = 0;  // of loops, too
};

// The tasks of a list and of the loops in it, numbered; `count` goes on from what it is.
std::vector<Job> jobs_of(const std::vector<Task>& tasks, JobCount& count);

// Does a stream, that of communication or of the rest, run it or a part of it?
bool on_stream(const Job& job, bool communication);

}  // namespace tessera
