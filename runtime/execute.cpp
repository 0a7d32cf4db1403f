#include "runtime/execute.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "base/error.h"
#include "codegen/fault.h"
#include "runtime/execute_state.h"
#include "runtime/staging.h"

namespace tessera {
namespace {

size_t bytes_of(const Tensor& tensor) {
  return static_cast<size_t>(volume(tensor.dims())) * size_of(tensor.type());
}

}  // namespace

void Executor::State::take_what_waits() {
  for (auto& [tensor, place] : waiting) {
    if (!std::exchange(place.written, false)) continue;
    streams[0]->to_device(arena.at(graph.offset_of(tensor)), place.memory.place(),
                          bytes_of(tensor));
  }
  if (comm_thread.joinable()) streams[0]->record(*begun);
}

// Where the host may look at what a stream has made.
const std::byte* Executor::State::on_host(bool communication, std::byte* place, size_t bytes) {
  if (const std::byte* there = device.on_host(place)) return there;
  std::vector<std::byte>& copy = looked_at[communication ? 1 : 0];
  copy.resize(bytes);
  DeviceStream& stream = *streams[communication ? 1 : 0];
  stream.to_host(copy.data(), place, bytes);
  stream.wait();
  return copy.data();
}

// What fails here ends both streams as soon as they begin.
void Executor::State::check_what_is_given() {
  if (!finite) return;
  try {
    finite->begin([&](const Tensor& tensor) {
      return on_host(false, arena.at(graph.offset_of(tensor)), bytes_of(tensor));
    });
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
      [&](const Tensor& tensor) {
        return on_host(job.communicates(), pointer_to(tensor).at(at), bytes_of(tensor));
      },
      at);
}

void Executor::State::run_kernel(Job& job, const std::vector<int64_t>& at) {
  for (size_t i = 0; i < job.arguments.size(); ++i) job.addresses[i] = job.arguments[i].at(at);
  streams[0]->launch(*job.kernel, job.addresses.data(), job.fault);
}

// What this rank's kernels have reported.
void Executor::State::find_fault() {
  if (!own_fault) return;
  std::vector<int64_t> words(kernels.size());
  streams[0]->to_host(words.data(), faults.place(), faults.bytes());
  streams[0]->wait();
  for (size_t i = 0; i < words.size(); ++i)
    if (words[i] != 0 && fault.empty())
      fault = describe_fault(kernels[i]->kernel->faults, words[i]);
  if (fault.empty()) return;
  std::fill(words.begin(), words.end(), 0);
  streams[0]->to_device(faults.place(), words.data(), faults.bytes());
  streams[0]->wait();
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
  streams[0]->copy(job.arguments[1].at(at), from->at(there), job.task->bytes);
}

void Executor::State::run_collective(const Job& job, const std::vector<int64_t>& at) {
  const Task& task = *job.task;
  std::string where;
  for (const int64_t index : at) where += " " + std::to_string(index);
  // Ranks number their tasks differently, but the names of collectives are the same.
  const std::string alike = task.name + (at.empty() ? "" : " in iteration" + where) +
                            (task.where.known() ? ", " + task.where.str() : "");
  job.group->set_context("task " + std::to_string(job.number) + ", " + alike, alike);
  tessera::run_collective(*task.comm, *job.group, *streams[1], job.input.at(at), job.output.at(at),
                          task.staging >= 0 ? buffer(task.staging) : nullptr);
}

// Until these jobs have ended: the host, where they are another thread's to start, and the stream,
// where they are another stream's to do. False when the step failed.
bool Executor::State::wait_for(const std::vector<int>& numbers, bool communication, int64_t pass) {
  if (!progress.wait_for(numbers, pass)) return false;
  if (by_number.empty()) return true;
  for (const int number : numbers) {
    const Job& other = *by_number.at(number);
    if (other.communicates() != communication)
      streams[communication ? 1 : 0]->wait_for(*other.done);
  }
  return true;
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
    if (!communication)
      streams[0]->set_word(buffer(job.task->counter), static_cast<int32_t>(at.back()));
    if (!run_jobs(job.body, communication, inner, at) ||
        (job.both && !wait_for(job.whole, communication, inner)))
      return false;
    if (job.while_holds) {
      if (!communication) {
        const bool failed = *on_host(false, job.while_holds->at(at), 1) == std::byte{0};
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
    if (!wait_for(job.depends, communication, pass)) return false;
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
    DeviceStream& stream = *streams[communication ? 1 : 0];
    const bool ends = !(job.both && communication);
    if (job.done && ends) stream.record(*job.done);
    if (log.most > 0) stream.wait();
    if (timed) {
      const double end = seconds_of_clock();
      if (at.empty() && ends) times[t] = {begin - began, end - began};
      if (log.most > 0) log.add({job.ordinal, at.empty() ? -1 : at.back(), ready, begin, end});
    }
    if (finite) check_finite(job, at);
    if (ends) progress.finish(job.number, pass);
  }
  return true;
}

void Executor::State::run_stream(bool communication) {
  try {
    std::vector<int64_t> at;
    if (communication) streams[1]->wait_for(*begun);
    run_jobs(jobs, communication, step, at);
    streams[communication ? 1 : 0]->wait();
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

Executor::Executor(TaskGraph graph, ComputeDevice& device, Communicator& world,
                   const ExecuteOptions& options) {
  DeviceMemory memory =
      device.allocate_together(world, graph.arena_bytes, "program `" + graph.name + "`");
  state_ = std::make_unique<State>(std::move(graph), device, world, std::move(memory), options);
  State& s = *state_;
  const bool communicates = std::any_of(s.jobs.begin(), s.jobs.end(),
                                        [](const Job& job) { return on_stream(job, true); });
  try {
    verify(s.graph);
    s.prepare();
    s.make_groups(s.jobs);
    if (communicates) s.make_events(s.jobs);
  } catch (...) {
    world.fail(text_of(std::current_exception()));
    throw;
  }
  if (communicates) s.comm_thread = std::thread([state = &s] { state->communicate(); });
}

double seconds_of_clock() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Executor::~Executor() {
  if (state_) state_->stop();
}

Executor::Executor(Executor&&) noexcept = default;

void Executor::write(const Tensor& tensor, std::span<const std::byte> bytes) {
  DeviceStream& stream = *state_->streams[0];
  const auto waits = state_->waiting.find(tensor);
  if (waits != state_->waiting.end()) waits->second.written = false;
  stream.to_device(state_->arena.at(state_->graph.offset_of(tensor)), bytes.data(), bytes.size());
  stream.wait();
}

void Executor::read(const Tensor& tensor, std::span<std::byte> bytes) const {
  DeviceStream& stream = *state_->streams[0];
  stream.to_host(bytes.data(), state_->arena.at(state_->graph.offset_of(tensor)), bytes.size());
  stream.wait();
}

std::byte* Executor::place_to_write(const Tensor& tensor) {
  std::byte* place = state_->arena.at(state_->graph.offset_of(tensor));
  if (std::byte* there = state_->device.on_host(place)) return there;
  Waiting& waiting = state_->waiting[tensor];
  if (waiting.memory.bytes() < bytes_of(tensor))
    waiting.memory = state_->device.allocate_on_host(bytes_of(tensor));
  waiting.written = true;
  return waiting.memory.place();
}

void Executor::run() {
  State& s = *state_;
  if (s.progress.failed())
    throw CommError("an earlier step of `" + s.graph.name +
                    "` failed for good: " + s.progress.error_text() + "; make a new Executable");
  s.take_what_waits();
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
  s.find_fault();
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
  const State& s = *state_;
  return s.arena.bytes() + s.streams[0]->scratch_bytes() + s.streams[1]->scratch_bytes();
}

}  // namespace tessera
