#include <algorithm>
#include <set>

#include "base/error.h"
#include "codegen/fuse.h"
#include "runtime/order_tasks.h"
#include "runtime/staging.h"
#include "runtime/task_graph.h"

namespace tessera {
namespace {

size_t bytes_of(const Tensor& tensor) {
  return static_cast<size_t>(volume(tensor.dims())) * size_of(tensor.type());
}

// Rates good enough to order tasks by; nothing else depends on them.
constexpr double kFlopsPerSecond = 5e10;
constexpr double kBytesPerSecond = 1e10;
constexpr double kCommBytesPerSecond = 2e9;
constexpr double kLaunchSeconds = 2e-6;
constexpr double kCommSeconds = 2e-5;

class Builder {
 public:
  explicit Builder(const ShardedProgram& program) : program_(program) {
    graph_.name = program.name;
    graph_.rank = program.rank;
  }

  TaskGraph run() {
    find_levels();
    add_border_buffers();
    add_compute_tasks();
    add_comm_tasks();
    connect();
    place_updates();
    order_tasks(graph_.tasks);
    place_buffers();
    return std::move(graph_);
  }

 private:
  // The level of a tensor is the number of collectives, in the order in which they run, that must
  // have ended before it can be there. Nests are fused within one level only, so that no kernel
  // waits for a collective that comes after one which waits for the kernel.
  void find_levels() {
    int collectives = 0;
    for (const Step& step : program_.steps) {
      int level = 0;
      for (const Tensor& input : inputs_of(step)) {
        const auto it = level_.find(input);
        if (it != level_.end()) level = std::max(level, it->second);
      }
      const bool compute = std::holds_alternative<ComputeStep>(step);
      level_[output_of(step)] = compute ? level : ++collectives;
      for (const Tensor& input : inputs_of(step)) {
        if (!compute) needed_.insert(input);
        const auto it = level_.find(input);
        if (it != level_.end() && it->second != level) needed_.insert(input);
      }
      if (compute) nests_[level].push_back(std::get<ComputeStep>(step).nest);
    }
    for (const Border& border : program_.outputs) needed_.insert(border.local);
    for (const LocalUpdate& update : program_.updates) needed_.insert(update.value);
  }

  int add_buffer(const Tensor& tensor, bool kept) {
    const auto [it, fresh] =
        graph_.buffer_of.emplace(tensor, static_cast<int>(graph_.buffers.size()));
    if (fresh) graph_.buffers.push_back({{tensor}, bytes_of(tensor), 0, false});
    Buffer& buffer = graph_.buffers[static_cast<size_t>(it->second)];
    buffer.kept = buffer.kept || kept;
    return it->second;
  }

  void add_border_buffers() {
    for (const Border& border : program_.inputs) add_buffer(border.local, true);
    for (const Border& border : program_.stored) add_buffer(border.local, true);
    for (const Border& border : program_.outputs) add_buffer(border.local, true);
  }

  void add_compute_tasks() {
    for (const auto& [level, nests] : nests_) {
      for (KernelGroup& group : fuse(nests, needed_)) {
        Task task;
        task.kind = TaskKind::compute;
        std::vector<std::string> written;
        for (const Tensor& output : group.outputs) written.push_back(output.name());
        task.name = join(written, "+");
        task.where = group.nests.back().out.where();
        task.estimate = kLaunchSeconds + std::max(flops_of(group) / kFlopsPerSecond,
                                                  tessera::bytes_of(group) / kBytesPerSecond);
        for (const Tensor& tensor : group.inputs) task.buffers.push_back(add_buffer(tensor, false));
        for (const Tensor& tensor : group.outputs) {
          task.buffers.push_back(add_buffer(tensor, false));
          writer_[tensor] = graph_.tasks.size();
        }
        for (const Tensor& tensor : group.inputs) readers_[tensor].push_back(graph_.tasks.size());
        task.group = std::move(group);
        graph_.tasks.push_back(std::move(task));
      }
    }
  }

  void add_comm_tasks() {
    for (const Step& step : program_.steps) {
      const CommStep* comm = std::get_if<CommStep>(&step);
      if (comm == nullptr) continue;
      Task task;
      task.kind = TaskKind::communicate;
      task.comm = *comm;
      task.name = std::string(name_of(comm->kind)) + " " + comm->origin;
      task.where = comm->output.where();
      task.estimate = kCommSeconds + static_cast<double>(comm->bytes) / kCommBytesPerSecond;
      task.buffers = {add_buffer(comm->input, false), add_buffer(comm->output, false)};
      if (const size_t bytes = staging_bytes(*comm)) {
        task.staging = static_cast<int>(graph_.buffers.size());
        graph_.buffers.push_back({{}, bytes, 0, false});
        task.buffers.push_back(task.staging);
      }
      writer_[comm->output] = graph_.tasks.size();
      readers_[comm->input].push_back(graph_.tasks.size());
      graph_.tasks.push_back(std::move(task));
    }
  }

  void connect() {
    size_t last = graph_.tasks.size();
    for (size_t t = 0; t < graph_.tasks.size(); ++t) {
      if (graph_.tasks[t].kind != TaskKind::communicate) continue;
      if (last < t) depend(t, last);
      last = t;
    }
    for (const auto& [tensor, tasks] : readers_) {
      const auto it = writer_.find(tensor);
      if (it == writer_.end()) continue;
      for (size_t reader : tasks) depend(reader, it->second);
    }
  }

  void depend(size_t task, size_t on) {
    std::vector<int>& list = graph_.tasks[task].depends;
    if (std::find(list.begin(), list.end(), static_cast<int>(on)) == list.end())
      list.push_back(static_cast<int>(on));
  }

  // Does `first` have to end before `second` starts, by dependencies?
  bool precedes(size_t first, size_t second) const {
    std::vector<size_t> open = {second};
    std::vector<bool> seen(graph_.tasks.size(), false);
    while (!open.empty()) {
      const size_t task = open.back();
      open.pop_back();
      if (task == first) return true;
      if (seen[task]) continue;
      seen[task] = true;
      for (int d : graph_.tasks[task].depends) open.push_back(static_cast<size_t>(d));
    }
    return false;
  }

  void place_updates() {
    for (const LocalUpdate& update : program_.updates) {
      if (can_replace(update)) {
        replace(update);
      } else {
        add_copy(update);
      }
    }
  }

  // May the writer of the new value write over the old one?
  bool can_replace(const LocalUpdate& update) const {
    const size_t writer = writer_.at(update.value);
    if (graph_.buffers[static_cast<size_t>(graph_.buffer_of.at(update.value))].kept) return false;
    const Task& task = graph_.tasks[writer];
    const std::vector<size_t> readers = readers_of(update.target);
    for (size_t reader : readers) {
      if (reader == writer) {
        if (task.kind != TaskKind::compute ||
            !can_run_in_place(task.group, update.value, update.target))
          return false;
      } else if (precedes(writer, reader)) {
        return false;
      }
    }
    return true;
  }

  std::vector<size_t> readers_of(const Tensor& tensor) const {
    const auto it = readers_.find(tensor);
    return it == readers_.end() ? std::vector<size_t>{} : it->second;
  }

  void replace(const LocalUpdate& update) {
    const size_t writer = writer_.at(update.value);
    for (size_t reader : readers_of(update.target))
      if (reader != writer) depend(writer, reader);
    const int from = graph_.buffer_of.at(update.value);
    const int to = graph_.buffer_of.at(update.target);
    Buffer& old = graph_.buffers[static_cast<size_t>(from)];
    for (const Tensor& tensor : old.tensors) {
      graph_.buffer_of.at(tensor) = to;
      graph_.buffers[static_cast<size_t>(to)].tensors.push_back(tensor);
    }
    old = {};
    for (Task& task : graph_.tasks)
      std::replace(task.buffers.begin(), task.buffers.end(), from, to);
  }

  void add_copy(const LocalUpdate& update) {
    Task task;
    task.kind = TaskKind::copy;
    task.name = "store " + update.target.name();
    task.where = update.value.where();
    task.source = graph_.buffer_of.at(update.value);
    task.target = graph_.buffer_of.at(update.target);
    task.buffers = {task.source, task.target};
    task.estimate =
        kLaunchSeconds + 2 * static_cast<double>(bytes_of(update.value)) / kBytesPerSecond;
    const size_t number = graph_.tasks.size();
    graph_.tasks.push_back(std::move(task));
    depend(number, writer_.at(update.value));
    for (size_t reader : readers_of(update.target)) depend(number, reader);
    readers_[update.value].push_back(number);
  }

  void place_buffers() {
    std::vector<std::vector<int>> depends;
    std::vector<BufferRequest> requests(graph_.buffers.size());
    for (size_t t = 0; t < graph_.tasks.size(); ++t) {
      depends.push_back(graph_.tasks[t].depends);
      for (int buffer : graph_.tasks[t].buffers)
        requests[static_cast<size_t>(buffer)].users.push_back(static_cast<int>(t));
    }
    for (size_t b = 0; b < requests.size(); ++b) {
      requests[b].bytes = graph_.buffers[b].bytes;
      requests[b].whole_step = graph_.buffers[b].kept;
    }
    const Allocation allocation = allocate(requests, Precedence(depends));
    for (size_t b = 0; b < requests.size(); ++b) graph_.buffers[b].offset = allocation.offsets[b];
    graph_.arena_bytes = allocation.bytes;
  }

  const ShardedProgram& program_;
  TaskGraph graph_;
  std::map<Tensor, int> level_;
  std::map<int, std::vector<Nest>> nests_;  // by level
  std::set<Tensor> needed_;                 // tensors that outlive their kernel
  std::map<Tensor, size_t> writer_;         // the task that writes a tensor
  std::map<Tensor, std::vector<size_t>> readers_;
};

}  // namespace

TaskGraph build_task_graph(const ShardedProgram& program) {
  return Builder(program).run();
}

}  // namespace tessera
