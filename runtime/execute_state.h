#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "runtime/execute.h"
#include "runtime/finite_check.h"
#include "runtime/jobs.h"
#include "runtime/stream_progress.h"

namespace tessera {

// The runs of tasks on one stream, while they are wanted.
struct SpanLog {
  size_t most = 0;
  std::vector<TaskSpan> spans;
  int64_t lost = 0;

  void add(const TaskSpan& span) {
    if (spans.size() < most)
      spans.push_back(span);
    else
      ++lost;
  }
};

// Memory of the host in which somebody leaves what a step begins with.
struct Waiting {
  DeviceMemory memory;
  bool written = false;
};

// What an executor is made of: execute_prepare.cpp makes it ready, execute.cpp runs it.
struct Executor::State {
  State(TaskGraph task_graph, ComputeDevice& its_device, Communicator& world_group,
        DeviceMemory memory, const ExecuteOptions& options)
      : graph(std::move(task_graph)),
        device(its_device),
        world(world_group),
        activity(world_group.activity()),
        arena(std::move(memory)),
        jobs(jobs_of(graph.tasks, count)),
        begun(device.make_event()),
        progress(static_cast<size_t>(count.jobs)),
        times(graph.tasks.size()) {
    for (auto& stream : streams) stream = device.make_stream();
    if (options.check_finite)
      finite.emplace(graph, world.size() > 1 ? " on rank " + std::to_string(world.rank()) : "");
  }

  void prepare();
  void find_pointers(std::vector<Job>& list);
  KernelSource source_of(const KernelGroup& group) const;
  Pointer pointer_to(const Tensor& tensor) const;
  Pointer pointer_to(const Reference& reference, int64_t element) const;
  void make_groups(std::vector<Job>& list);
  void make_events(std::vector<Job>& list);
  std::byte* buffer(int number) const {
    return arena.at(graph.buffers[static_cast<size_t>(number)].offset);
  }

  void take_what_waits();
  void check_what_is_given();
  void check_finite(const Job& job, const std::vector<int64_t>& at);
  const std::byte* on_host(bool communication, std::byte* place, size_t bytes);
  void run_kernel(Job& job, const std::vector<int64_t>& at);
  void find_fault();
  void throw_fault();
  void run_copy(const Job& job, const std::vector<int64_t>& at) const;
  void run_collective(const Job& job, const std::vector<int64_t>& at);
  bool wait_for(const std::vector<int>& numbers, bool communication, int64_t pass);
  bool run_loop(Job& job, bool communication, int64_t pass, std::vector<int64_t>& at);
  bool run_jobs(std::vector<Job>& list, bool communication, int64_t pass, std::vector<int64_t>& at);
  void run_stream(bool communication);
  void note_failure();  // the exception that is being handled
  void communicate();
  void stop();

  TaskGraph graph;
  ComputeDevice& device;
  Communicator& world;
  Activity* const activity;
  DeviceMemory arena;
  DeviceMemory faults;  // a word for each kernel
  std::map<Tensor, Waiting> waiting;
  JobCount count;
  std::vector<Job> jobs;
  std::vector<Job*> kernels;                 // those that run one, in order
  std::map<int, const Job*> by_number;       // if there are two streams
  std::unique_ptr<DeviceEvent> begun;        // what waited was taken
  std::unique_ptr<DeviceStream> streams[2];  // the computing and the communicating one
  std::map<std::vector<int>, std::unique_ptr<Communicator>> groups;
  StreamProgress progress;
  std::vector<TaskTime> times;
  SpanLog spans[2];  // of the streams
  std::optional<FiniteCheck> finite;
  std::vector<std::byte> looked_at[2];  // by `finite`, of each stream
  double began = 0;
  bool may_fault = false;  // is there a kernel, on any rank, that can read outside a tensor?
  bool own_fault = false;  // is there one on this rank?
  std::string fault;       // the first one of this step

  std::thread comm_thread;
  std::mutex mutex;
  std::condition_variable wake;
  int64_t step = 0;       // that the streams work on
  int64_t comm_step = 0;  // that the communication thread has finished
  bool stopping = false;
};

}  // namespace tessera
