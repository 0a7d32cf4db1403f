#include "runtime/execute.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.h"
#include "comm/work_together.h"
#include "runtime/arena.h"
#include "runtime/finite_check.h"
#include "runtime/memory_check.h"
#include "runtime/staging.h"
#include "runtime/stream_progress.h"
#include "runtime/worker_pool.h"

namespace tessera {
namespace {

// An address that moves with the iterations.
struct Pointer {
  std::byte* start = nullptr;  // of the buffer
  StackPlace place;
  int64_t element = 1;  // bytes

  std::byte* at(const std::vector<int64_t>& indices) const {
    return start + place.at(indices) * element;
  }
};

// A task ready to run.
struct Job {
  const Task* task = nullptr;
  int number = 0;            // among all jobs
  int ordinal = 0;           // among all tasks
  std::string text;          // "task 3, all-reduce loss, mlp.tess:8"
  std::vector<int> depends;  // numbers
  Kernel kernel;
  std::vector<Pointer> arguments;  // of the kernel; of a copy: source, target, before
  std::vector<void*> addresses;    // of the arguments in this iteration
  Pointer input, output;           // of a collective
  Communicator* group = nullptr;
  std::vector<Job> body;   // of a loop
  std::vector<int> whole;  // the last job of each stream in the body
  bool both = false;       // a loop on both streams
  // A loop that may end early: its condition, the number under which it is decided for each
  // iteration, and the pass that is the last one of the loop's current run.
  std::optional<Pointer> while_holds;
  int decision = 0;
  int64_t last = 0;
};

bool on_stream(const Job& job, bool communication) {
  return communication ? communicates(*job.task) : job.task->kind != TaskKind::communicate;
}

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

}  // namespace

struct Executor::State {
  State(TaskGraph task_graph, Communicator& world_group, const ExecuteOptions& options,
        std::unique_ptr<SharedBlock> shared)
      : graph(std::move(task_graph)),
        world(world_group),
        activity(world_group.activity()),
        arena(graph.arena_bytes, std::move(shared)),
        workers(options.threads),
        jobs(jobs_of(graph.tasks)),
        progress(static_cast<size_t>(count)),
        times(graph.tasks.size()) {
    if (options.check_finite)
      finite.emplace(graph, world.size() > 1 ? " on rank " + std::to_string(world.rank()) : "");
  }

  std::vector<Job> jobs_of(const std::vector<Task>& tasks);
  void prepare(Compiler& compiler);
  void find_pointers(std::vector<Job>& list);
  Pointer pointer_to(const Tensor& tensor) const;
  Pointer pointer_to(const Reference& reference, int64_t element) const;
  void make_groups(std::vector<Job>& list);
  std::byte* buffer(int number) const {
    return arena.at(graph.buffers[static_cast<size_t>(number)].offset);
  }

  void check_what_is_given();
  void check_finite(const Job& job, const std::vector<int64_t>& at);
  void run_kernel(Job& job, const std::vector<int64_t>& at);
  void throw_fault();
  void run_copy(const Job& job, const std::vector<int64_t>& at) const;
  void run_collective(const Job& job, const std::vector<int64_t>& at);
  bool run_loop(Job& job, bool communication, int64_t pass, std::vector<int64_t>& at);
  bool run_jobs(std::vector<Job>& list, bool communication, int64_t pass, std::vector<int64_t>& at);
  void run_stream(bool communication);
  void note_failure();  // the exception that is being handled
  void communicate();
  void stop();

  TaskGraph graph;
  Communicator& world;
  Activity* const activity;
  Arena arena;
  WorkerPool workers;
  size_t scratch_bytes = 0;
  int count = 0;     // of jobs
  int ordinals = 0;  // of tasks
  std::vector<Job> jobs;
  std::map<std::vector<int>, std::unique_ptr<Communicator>> groups;
  StreamProgress progress;
  std::vector<TaskTime> times;
  SpanLog spans[2];  // of the computing and of the communicating stream
  std::optional<FiniteCheck> finite;
  double began = 0;
  bool may_fault = false;  // is there a kernel, on any rank, that can read outside a tensor?
  std::string fault;       // the first one of this step; computing stream only

  std::thread comm_thread;
  std::mutex mutex;
  std::condition_variable wake;
  int64_t step = 0;       // that the streams work on
  int64_t comm_step = 0;  // that the communication thread has finished
  bool stopping = false;
};

std::vector<Job> Executor::State::jobs_of(const std::vector<Task>& tasks) {
  std::vector<Job> list;
  for (const Task& task : tasks) {
    Job job;
    job.task = &task;
    job.number = count++;
    job.ordinal = ordinals++;
    job.text = "task " + std::to_string(job.number) + ", " + task.name +
               (task.where.known() ? ", " + task.where.str() : "");
    for (int d : task.depends) job.depends.push_back(list[static_cast<size_t>(d)].number);
    job.body = jobs_of(task.body);
    job.both = task.kind == TaskKind::loop && tessera::communicates(task);
    if (task.while_holds) job.decision = count++;
    for (const bool communication : {false, true}) {
      for (size_t i = job.body.size(); i-- > 0;) {
        if (!on_stream(job.body[i], communication)) continue;
        job.whole.push_back(job.body[i].number);
        break;
      }
    }
    list.push_back(std::move(job));
  }
  return list;
}

Pointer Executor::State::pointer_to(const Reference& reference, int64_t element) const {
  return {buffer(reference.buffer), reference.place, element};
}

Pointer Executor::State::pointer_to(const Tensor& tensor) const {
  return pointer_to(graph.places.at(tensor), static_cast<int64_t>(size_of(tensor.type())));
}

void Executor::State::prepare(Compiler& compiler) {
  std::vector<KernelGroup> sources;
  std::vector<Job*> kernels;
  const std::function<void(std::vector<Job>&)> collect = [&](std::vector<Job>& list) {
    for (Job& job : list) {
      collect(job.body);
      if (job.task->kind != TaskKind::compute) continue;
      sources.push_back(job.task->group);
      kernels.push_back(&job);
    }
  };
  collect(jobs);
  std::vector<Kernel> compiled;
  work_together(world, "compiling", [&] { compiled = compiler.compile(sources); });
  for (size_t i = 0; i < kernels.size(); ++i) {
    scratch_bytes = std::max(scratch_bytes, compiled[i].scratch_bytes);
    kernels[i]->kernel = std::move(compiled[i]);
  }
  workers.reserve_scratch(scratch_bytes);
  int32_t any = 0;
  for (const Job* job : kernels) any = std::max(any, job->kernel.faults.empty() ? 0 : 1);
  world.set_context("comparing which kernels may read outside a tensor");
  world.all_reduce(&any, &any, 1, DType::i32, ReduceOp::max);
  may_fault = any != 0;
  find_pointers(jobs);
}

void Executor::State::find_pointers(std::vector<Job>& list) {
  for (Job& job : list) {
    const Task& task = *job.task;
    find_pointers(job.body);
    if (task.while_holds) job.while_holds = pointer_to(*task.while_holds, 1);
    for (const Tensor& tensor : job.kernel.arguments) job.arguments.push_back(pointer_to(tensor));
    job.addresses.resize(job.arguments.size());
    if (task.kind == TaskKind::communicate) {
      job.input = pointer_to(task.comm->input);
      job.output = pointer_to(task.comm->output);
    }
    if (task.kind != TaskKind::copy) continue;
    const auto element = static_cast<int64_t>(task.element);
    job.arguments = {pointer_to(task.source, element), pointer_to(task.target, element)};
    if (task.before) job.arguments.push_back(pointer_to(*task.before, element));
  }
}

void Executor::State::make_groups(std::vector<Job>& list) {
  for (Job& job : list) {
    make_groups(job.body);
    if (job.task->kind != TaskKind::communicate) continue;
    const CommStep& comm = *job.task->comm;
    const std::vector<int> key(comm.axes.begin(), comm.axes.end());
    auto it = groups.find(key);
    if (it == groups.end())
      it = groups.emplace(key, world.split(comm.group.front(), comm.me)).first;
    job.group = it->second.get();
  }
}

// What fails here ends both streams as soon as they begin.
void Executor::State::check_what_is_given() {
  if (!finite) return;
  try {
    finite->begin([&](const Tensor& tensor) { return arena.at(graph.offset_of(tensor)); });
  } catch (...) {
    note_failure();
  }
}

void Executor::State::check_finite(const Job& job, const std::vector<int64_t>& at) {
  const Task& task = *job.task;
  if (task.kind == TaskKind::copy) return finite->copied(task);
  if (task.kind == TaskKind::loop) return;
  finite->after(
      task, job.ordinal,
      [&](const Tensor& tensor) -> const std::byte* { return pointer_to(tensor).at(at); }, at);
}

void Executor::State::run_kernel(Job& job, const std::vector<int64_t>& at) {
  if (job.kernel.chunks == 0) return;
  for (size_t i = 0; i < job.arguments.size(); ++i) job.addresses[i] = job.arguments[i].at(at);
  const int64_t found = workers.run(job.kernel, job.addresses.data());
  if (found != 0 && fault.empty()) fault = describe_fault(job.kernel, found);
}

// Together: the fault of the lowest rank that has one.
void Executor::State::throw_fault() {
  if (!may_fault) return;
  std::string text = std::exchange(fault, "");
  const auto bytes = static_cast<int64_t>(text.size());
  const std::vector<size_t> counts(static_cast<size_t>(world.size()), 1);
  std::vector<int64_t> all(counts.size());
  world.set_context("comparing what was read outside a tensor");
  world.all_gather(&bytes, all.data(), counts, DType::i64);
  const auto first = std::find_if(all.begin(), all.end(), [](int64_t size) { return size > 0; });
  if (first == all.end()) return;
  text.resize(static_cast<size_t>(*first));
  world.broadcast(text.data(), text.size(), static_cast<int>(first - all.begin()));
  throw ReadOutside(text);
}

void Executor::State::run_copy(const Job& job, const std::vector<int64_t>& at) const {
  const Pointer* from = job.arguments.data();
  std::vector<int64_t> there = at;
  if (job.task->begins_iteration) {
    const Dim& over = *job.task->over;
    const int64_t first = job.task->descending ? over.extent() - 1 : 0;
    if (at.back() != first) {
      if (!job.task->before) return;
      from = &job.arguments[2];
      there.back() += job.task->descending ? 1 : -1;
    }
  }
  std::memcpy(job.arguments[1].at(at), from->at(there), job.task->bytes);
}

void Executor::State::run_collective(const Job& job, const std::vector<int64_t>& at) {
  const Task& task = *job.task;
  std::string where;
  for (const int64_t index : at) where += " " + std::to_string(index);
  // Ranks number their tasks differently, but the names of collectives are the same.
  const std::string alike = task.name + (at.empty() ? "" : " in iteration" + where) +
                            (task.where.known() ? ", " + task.where.str() : "");
  job.group->set_context("task " + std::to_string(job.number) + ", " + alike, alike);
  tessera::run_collective(*task.comm, *job.group, job.input.at(at), job.output.at(at),
                          task.staging >= 0 ? buffer(task.staging) : nullptr);
}

// The streams meet at the end of each iteration, so that none overwrites what the other one reads.
bool Executor::State::run_loop(Job& job, bool communication, int64_t pass,
                               std::vector<int64_t>& at) {
  const int64_t extent = job.task->over->extent();
  const int64_t last = pass * extent;
  const size_t depth = at.size();
  for (int64_t i = 0; i < extent; ++i) {
    const int64_t inner = last - extent + i + 1;
    at.push_back(job.task->descending ? extent - 1 - i : i);
    if (!communication) {
      const auto index = static_cast<int32_t>(at.back());
      std::memcpy(buffer(job.task->counter), &index, sizeof index);
    }
    if (!run_jobs(job.body, communication, inner, at) ||
        (job.both && !progress.wait_for(job.whole, inner)))
      return false;
    if (job.while_holds) {
      if (!communication) {
        const bool failed = *job.while_holds->at(at) == std::byte{0};
        if (i == 0 || (failed && job.last > inner)) job.last = failed ? inner + 1 : last;
        progress.finish(job.decision, inner);
      }
      if (!progress.wait_for({job.decision}, inner)) return false;
      if (inner >= job.last) break;
    }
    at.pop_back();
  }
  at.resize(depth);
  return true;
}

// False when the step failed.
bool Executor::State::run_jobs(std::vector<Job>& list, bool communication, int64_t pass,
                               std::vector<int64_t>& at) {
  SpanLog& log = spans[communication ? 1 : 0];
  for (size_t t = 0; t < list.size(); ++t) {
    Job& job = list[t];
    if (!on_stream(job, communication)) continue;
    const double ready = log.most > 0 ? seconds_of_clock() : 0;
    if (!progress.wait_for(job.depends, pass)) return false;
    const bool timed = log.most > 0 || (at.empty() && !(job.both && communication));
    const double begin = timed ? seconds_of_clock() : 0;
    if (activity != nullptr && !communication) activity->work(&job.text);
    switch (job.task->kind) {
      case TaskKind::compute:
        run_kernel(job, at);
        break;
      case TaskKind::copy:
        run_copy(job, at);
        break;
      case TaskKind::communicate:
        run_collective(job, at);
        break;
      case TaskKind::loop:
        if (!run_loop(job, communication, pass, at)) return false;
        break;
    }
    if (activity != nullptr && !communication) activity->work(nullptr);
    if (timed) {
      const double end = seconds_of_clock();
      if (at.empty() && !(job.both && communication)) times[t] = {begin - began, end - began};
      if (log.most > 0) log.add({job.ordinal, at.empty() ? -1 : at.back(), ready, begin, end});
    }
    if (finite) check_finite(job, at);
    if (!(job.both && communication)) progress.finish(job.number, pass);
  }
  return true;
}

void Executor::State::run_stream(bool communication) {
  try {
    std::vector<int64_t> at;
    run_jobs(jobs, communication, step, at);
  } catch (...) {
    note_failure();
  }
}

void Executor::State::note_failure() {
  if (progress.fail(std::current_exception())) world.fail(text_of(std::current_exception()));
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

Executor::Executor(TaskGraph graph, Compiler& compiler, Communicator& world,
                   const ExecuteOptions& options) {
  std::unique_ptr<SharedBlock> shared;
  if (require_memory_together(world, static_cast<int64_t>(graph.arena_bytes),
                              "program `" + graph.name + "`"))
    shared = world.share(graph.arena_bytes);
  state_ = std::make_unique<State>(std::move(graph), world, options, std::move(shared));
  try {
    verify(state_->graph);
    state_->prepare(compiler);
    state_->make_groups(state_->jobs);
  } catch (...) {
    world.fail(text_of(std::current_exception()));
    throw;
  }
  if (std::any_of(state_->jobs.begin(), state_->jobs.end(),
                  [](const Job& job) { return on_stream(job, true); }))
    state_->comm_thread = std::thread([state = state_.get()] { state->communicate(); });
}

double seconds_of_clock() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
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
  if (s.progress.failed())
    throw CommError("an earlier step of `" + s.graph.name +
                    "` failed for good: " + s.progress.error_text() + "; make a new Executable");
  s.check_what_is_given();
  {
    const std::lock_guard lock(s.mutex);
    s.began = seconds_of_clock();
    ++s.step;
  }
  s.wake.notify_all();
  s.run_stream(false);
  if (s.activity != nullptr) s.activity->clear_work();
  const double ready = s.spans[0].most > 0 ? seconds_of_clock() : 0;
  if (s.comm_thread.joinable()) {
    std::unique_lock lock(s.mutex);
    s.wake.wait(lock, [&] { return s.comm_step == s.step; });
  }
  if (s.spans[0].most > 0) {
    const double end = seconds_of_clock();
    s.spans[0].add({-1, -1, ready, end, end});
  }
  s.progress.rethrow();
  s.throw_fault();
}

const TaskGraph& Executor::graph() const {
  return state_->graph;
}

const std::vector<TaskTime>& Executor::times() const {
  return state_->times;
}

void Executor::record(size_t most) {
  for (SpanLog& log : state_->spans) {
    log.most = most;
    log.spans.reserve(std::min<size_t>(most, 1 << 14));
  }
}

Executor::Recorded Executor::take_recorded() {
  SpanLog* logs = state_->spans;
  Recorded taken{std::exchange(logs[0].spans, {}), std::exchange(logs[1].spans, {}),
                 std::exchange(logs[0].lost, 0) + std::exchange(logs[1].lost, 0)};
  return taken;
}

size_t Executor::memory_bytes() const {
  return state_->arena.bytes() +
         state_->scratch_bytes * static_cast<size_t>(state_->workers.threads());
}

}  // namespace tessera
