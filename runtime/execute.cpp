#include "runtime/execute.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "runtime/agree.h"
#include "runtime/arena.h"
#include "runtime/staging.h"
#include "runtime/worker_pool.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

// Which tasks of the current step are done, and the first error of either stream.
class Progress {
 public:
  explicit Progress(size_t tasks) : done_(tasks, 0) {}

  // Waits for the dependencies of a task; false when the step failed.
  bool wait_for(const std::vector<int>& depends, int64_t step) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return failed_ || all_done(depends, step); });
    return !failed_;
  }

  void finish(size_t task, int64_t step) {
    {
      const std::lock_guard lock(mutex_);
      done_[task] = step;
    }
    changed_.notify_all();
  }

  // True for the first error, which is kept.
  bool fail(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    const bool first = !failed_;
    if (first) error_ = std::move(error);
    failed_ = true;
    changed_.notify_all();
    return first;
  }

  void rethrow() {
    const std::lock_guard lock(mutex_);
    if (error_) std::rethrow_exception(error_);
  }

  bool failed() {
    const std::lock_guard lock(mutex_);
    return failed_;
  }

 private:
  bool all_done(const std::vector<int>& depends, int64_t step) const {
    for (int d : depends)
      if (done_[static_cast<size_t>(d)] != step) return false;
    return true;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int64_t> done_;  // the last step in which each task ended
  std::exception_ptr error_;
  bool failed_ = false;
};

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return exception.what();
  } catch (...) {
    return "unknown error";
  }
}

}  // namespace

struct Executor::State {
  State(TaskGraph task_graph, Communicator& world_group, const ExecuteOptions& options)
      : graph(std::move(task_graph)),
        world(world_group),
        arena(graph.arena_bytes),
        workers(options.threads),
        progress(graph.tasks.size()),
        times(graph.tasks.size()) {}

  void prepare(Compiler& compiler);
  void make_groups();
  void run_task(size_t number);
  void run_stream(bool communication);
  void communicate();
  void stop();

  TaskGraph graph;
  Communicator& world;
  Arena arena;
  WorkerPool workers;
  size_t scratch_bytes = 0;
  std::vector<Kernel> kernels;                // by task
  std::vector<std::vector<void*>> arguments;  // by task
  std::map<std::vector<int>, std::unique_ptr<Communicator>> groups;
  std::vector<Communicator*> group_of;  // by task
  std::vector<size_t> streams[2];       // compute, communication
  Progress progress;
  std::vector<TaskTime> times;
  Clock::time_point began;

  std::thread comm_thread;
  std::mutex mutex;
  std::condition_variable wake;
  int64_t step = 0;       // that the streams work on
  int64_t comm_step = 0;  // that the communication thread has finished
  bool stopping = false;
};

void Executor::State::prepare(Compiler& compiler) {
  std::vector<KernelGroup> sources;
  std::vector<size_t> tasks;
  for (size_t t = 0; t < graph.tasks.size(); ++t) {
    const bool communication = graph.tasks[t].kind == TaskKind::communicate;
    streams[communication ? 1 : 0].push_back(t);
    if (graph.tasks[t].kind != TaskKind::compute) continue;
    sources.push_back(graph.tasks[t].group);
    tasks.push_back(t);
  }
  std::vector<Kernel> compiled = compiler.compile(sources);
  kernels.resize(graph.tasks.size());
  arguments.resize(graph.tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    scratch_bytes = std::max(scratch_bytes, compiled[i].scratch_bytes);
    for (const Tensor& tensor : compiled[i].arguments)
      arguments[tasks[i]].push_back(arena.at(graph.offset_of(tensor)));
    kernels[tasks[i]] = std::move(compiled[i]);
  }
  workers.reserve_scratch(scratch_bytes);
}

void Executor::State::make_groups() {
  group_of.resize(graph.tasks.size(), nullptr);
  for (size_t t : streams[1]) {
    const CommStep& comm = *graph.tasks[t].comm;
    const std::vector<int> key(comm.axes.begin(), comm.axes.end());
    auto it = groups.find(key);
    if (it == groups.end())
      it = groups.emplace(key, world.split(comm.group.front(), comm.me)).first;
    group_of[t] = it->second.get();
  }
}

void Executor::State::run_task(size_t number) {
  const Task& task = graph.tasks[number];
  const auto place = [&](int buffer) {
    return arena.at(graph.buffers[static_cast<size_t>(buffer)].offset);
  };
  if (task.kind == TaskKind::compute) {
    const Kernel& kernel = kernels[number];
    if (kernel.chunks == 0) return;
    if (const int64_t fault = workers.run(kernel, arguments[number].data()))
      throw UserError(describe_fault(kernel, fault));
  } else if (task.kind == TaskKind::copy) {
    std::memcpy(place(task.target), place(task.source),
                graph.buffers[static_cast<size_t>(task.source)].bytes);
  } else {
    group_of[number]->set_context("task " + std::to_string(number) + ", " + task.name +
                                  (task.where.known() ? ", " + task.where.str() : ""));
    run_collective(*task.comm, *group_of[number], arena.at(graph.offset_of(task.comm->input)),
                   arena.at(graph.offset_of(task.comm->output)),
                   task.staging >= 0 ? place(task.staging) : nullptr);
  }
}

void Executor::State::run_stream(bool communication) {
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - began).count(); };
  try {
    for (size_t t : streams[communication ? 1 : 0]) {
      if (!progress.wait_for(graph.tasks[t].depends, step)) return;
      times[t].begin = seconds();
      run_task(t);
      times[t].end = seconds();
      progress.finish(t, step);
    }
  } catch (...) {
    if (progress.fail(std::current_exception())) world.fail(text_of(std::current_exception()));
  }
}

void Executor::State::communicate() {
  for (int64_t next = 1;; ++next) {
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] { return stopping || step >= next; });
      if (stopping) return;
    }
    run_stream(true);
    {
      const std::lock_guard lock(mutex);
      comm_step = next;
    }
    wake.notify_all();
  }
}

void Executor::State::stop() {
  if (!comm_thread.joinable()) return;
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  wake.notify_all();
  comm_thread.join();
}

Executor::Executor(TaskGraph graph, const std::string& agreement, Compiler& compiler,
                   Communicator& world, const ExecuteOptions& options)
    : state_(std::make_unique<State>(std::move(graph), world, options)) {
  try {
    verify(state_->graph);
    require_agreement(world, agreement);
    state_->prepare(compiler);
    state_->make_groups();
  } catch (...) {
    world.fail(text_of(std::current_exception()));
    throw;
  }
  if (!state_->streams[1].empty())
    state_->comm_thread = std::thread([state = state_.get()] { state->communicate(); });
}

Executor::~Executor() {
  if (state_) state_->stop();
}

Executor::Executor(Executor&&) noexcept = default;

std::byte* Executor::data(const Tensor& tensor) const {
  return state_->arena.at(state_->graph.offset_of(tensor));
}

void Executor::run() {
  State& s = *state_;
  TESSERA_CHECK(!s.progress.failed()) << "an earlier step failed";
  {
    const std::lock_guard lock(s.mutex);
    s.began = Clock::now();
    ++s.step;
  }
  s.wake.notify_all();
  s.run_stream(false);
  if (s.comm_thread.joinable()) {
    std::unique_lock lock(s.mutex);
    s.wake.wait(lock, [&] { return s.comm_step == s.step; });
  }
  s.progress.rethrow();
}

const TaskGraph& Executor::graph() const {
  return state_->graph;
}

const std::vector<TaskTime>& Executor::times() const {
  return state_->times;
}

size_t Executor::memory_bytes() const {
  return state_->arena.bytes() +
         state_->scratch_bytes * static_cast<size_t>(state_->workers.threads());
}

}  // namespace tessera
