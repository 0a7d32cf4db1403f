#include <algorithm>

#include "base/error.h"
#include "codegen/fuse.h"
#include "runtime/build_tasks.h"
#include "runtime/order_tasks.h"
#include "runtime/past_caches.h"

namespace tessera {
namespace {

class Builder {
 public:
  Builder(const ShardedProgram& program, const Grouping& grouping)
      : program_(program),
        grouping_(grouping
                      ? grouping
                      : [](const auto& nests, const auto& needed) { return fuse(nests, needed); }),
        depths_(loop_depths(program)),
        readers_(count_readers(program)),
        buffers_(program, graph_) {
    graph_.name = program.name;
    graph_.rank = program.rank;
  }

  TaskGraph run() {
    for (const Border& border : program_.inputs) buffers_.keep(border.local);
    for (const Border& border : program_.stored) buffers_.keep(border.local);
    for (const Border& border : program_.outputs) buffers_.keep(border.local);
    TaskMaking making{depths_, readers_, buffers_, grouping_, 0, {}};
    made_ = make_tasks(program_.steps, nullptr, {}, {}, making);
    place_updates();
    graph_.tasks = std::move(made_.tasks);
    order_tasks(graph_.tasks, buffers_.bytes_in({}));
    graph_.arena_bytes = allocate_frame(graph_.tasks, {});
    settle(graph_.tasks, {}, 0);
    mark_past_caches(graph_);
    return std::move(graph_);
  }

 private:
  // Does `first` have to end before `second` starts, by dependencies?
  bool precedes(size_t first, size_t second) const {
    std::vector<size_t> open = {second};
    std::vector<bool> seen(made_.tasks.size(), false);
    while (!open.empty()) {
      const size_t task = open.back();
      open.pop_back();
      if (task == first) return true;
      if (seen[task]) continue;
      seen[task] = true;
      for (int d : made_.tasks[task].depends) open.push_back(static_cast<size_t>(d));
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

  const Reference& place(const Tensor& tensor) { return graph_.places.at(tensor); }
  Buffer& buffer(int number) { return graph_.buffers[static_cast<size_t>(number)]; }

  // May the writer of the new value write over the old one?
  bool can_replace(const LocalUpdate& update) {
    const size_t writer = made_.writer.at(update.value);
    const Task& task = made_.tasks[writer];
    if (task.kind == TaskKind::loop) return false;  // it may read the old one at any iteration
    if (buffer(place(update.value).buffer).kept) return false;
    for (size_t reader : readers_of(update.target)) {
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
    const auto it = made_.readers.find(tensor);
    return it == made_.readers.end() ? std::vector<size_t>{} : it->second;
  }

  static void rename(std::vector<Task>& tasks, int from, int to) {
    for (Task& task : tasks) {
      std::replace(task.buffers.begin(), task.buffers.end(), from, to);
      rename(task.body, from, to);
    }
  }

  void replace(const LocalUpdate& update) {
    const size_t writer = made_.writer.at(update.value);
    for (size_t reader : readers_of(update.target))
      if (reader != writer) made_.depend(writer, reader);
    const int from = place(update.value).buffer;
    const int to = place(update.target).buffer;
    for (auto& [tensor, reference] : graph_.places)
      if (reference.buffer == from) reference.buffer = to;
    for (const Tensor& tensor : buffer(from).tensors) buffer(to).tensors.push_back(tensor);
    buffer(from) = {};
    rename(made_.tasks, from, to);
  }

  void add_copy(const LocalUpdate& update) {
    Task task;
    task.kind = TaskKind::copy;
    task.name = "store " + update.target.name();
    task.where = update.value.where();
    task.source = buffers_.place(update.value, {update.value, {}, {}}, {});
    task.target = place(update.target);
    task.element = size_of(update.value.type());
    task.bytes = static_cast<size_t>(volume(update.value.dims())) * size_of(update.value.type());
    task.buffers = {task.source.buffer, task.target.buffer};
    task.estimate = copy_seconds(task.bytes);
    const size_t number = made_.tasks.size();
    made_.tasks.push_back(std::move(task));
    made_.depend(number, made_.writer.at(update.value));
    for (size_t reader : readers_of(update.target)) made_.depend(number, reader);
    made_.readers[update.value].push_back(number);
  }

  // Places the buffers that are at home in `scope`, whose tasks these are, from 0; the frames of
  // the loops among them first, which are such buffers. Returns the bytes that they take.
  size_t allocate_frame(const std::vector<Task>& tasks, const Scope& scope) {
    std::vector<std::vector<int>> depends;
    std::map<int, BufferRequest> requests;
    for (size_t t = 0; t < tasks.size(); ++t) {
      const Task& task = tasks[t];
      if (task.kind == TaskKind::loop)
        buffer(task.frame).bytes = allocate_frame(task.body, task.scope);
      depends.push_back(task.depends);
      for (int b : task.buffers)
        if (buffer(b).home == scope) requests[b].users.push_back(static_cast<int>(t));
    }
    for (size_t b = 0; b < graph_.buffers.size(); ++b)
      if (graph_.buffers[b].kept && scope.empty()) requests[static_cast<int>(b)].whole_step = true;
    std::vector<BufferRequest> list;
    for (auto& [b, request] : requests) {
      request.bytes = buffer(b).bytes;
      list.push_back(request);
    }
    const Allocation allocation = allocate(list, Precedence(depends));
    size_t i = 0;
    for (const auto& [b, request] : requests) buffer(b).offset = allocation.offsets[i++];
    return allocation.bytes;
  }

  // From offsets in frames to offsets in the arena.
  void settle(const std::vector<Task>& tasks, const Scope& scope, size_t base) {
    for (Buffer& one : graph_.buffers)
      if (one.home == scope) one.offset += base;
    for (const Task& task : tasks)
      if (task.kind == TaskKind::loop) settle(task.body, task.scope, buffer(task.frame).offset);
  }

  const ShardedProgram& program_;
  const Grouping grouping_;
  const std::map<Tensor, size_t> depths_;
  const std::map<Tensor, int> readers_;
  TaskGraph graph_;
  BufferTable buffers_;
  ScopeTasks made_;
};

}  // namespace

TaskGraph build_task_graph(const ShardedProgram& program, const Grouping& grouping) {
  return Builder(program, grouping).run();
}

}  // namespace tessera
