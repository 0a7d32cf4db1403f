#include "runtime/task_graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace tessera {
namespace {

std::string interval_text(const std::vector<Interval>& blocks) {
  std::string text;
  for (const Interval& block : blocks) text += fmt::format(" {}-{}", block.begin, block.end);
  return text;
}

// Are the blocks of this step those of every rank, and not of its own part of the mesh or window?
bool same_on_all(const ShardedProgram& program, const CommStep& comm) {
  return !has_pieces(comm.kind) && comm.axes.size() == static_cast<size_t>(program.mesh.count());
}

std::vector<Tensor> written_by(const Task& task) {
  if (task.kind == TaskKind::compute) return task.group.outputs;
  if (task.kind == TaskKind::communicate) return {task.comm->output};
  if (task.copied) return {*task.copied};
  return {};
}

std::vector<Tensor> read_by(const Task& task) {
  if (task.kind == TaskKind::compute) return task.group.inputs;
  if (task.kind == TaskKind::communicate) return {task.comm->input};
  return {};
}

void verify(const std::vector<Task>& tasks) {
  std::vector<std::vector<int>> depends;
  for (const Task& task : tasks) depends.push_back(task.depends);
  const Precedence precedence(depends);  // checks that dependencies point backwards
  std::map<Tensor, int> writer;
  for (size_t t = 0; t < tasks.size(); ++t)
    for (const Tensor& tensor : written_by(tasks[t])) writer.emplace(tensor, static_cast<int>(t));
  for (size_t t = 0; t < tasks.size(); ++t) {
    for (const Tensor& tensor : read_by(tasks[t])) {
      const auto it = writer.find(tensor);
      TESSERA_CHECK(it == writer.end() || precedence.before(it->second, static_cast<int>(t)))
          << "task " << t << " reads `" << tensor.name() << "` before it is written";
    }
    verify(tasks[t].body);
  }
}

void add_tasks(const TaskGraph& graph, const std::vector<Task>& tasks, const std::string& indent,
               std::string& text) {
  for (size_t t = 0; t < tasks.size(); ++t) {
    const Task& task = tasks[t];
    std::vector<std::string> after;
    for (int d : task.depends) after.push_back(std::to_string(d));
    std::vector<std::string> places;
    for (int b : task.buffers) {
      const Buffer& buffer = graph.buffers[static_cast<size_t>(b)];
      if (task.kind != TaskKind::loop)
        places.push_back(fmt::format("{}+{}", buffer.offset, buffer.bytes));
    }
    text += fmt::format("{}{:4} {:<7} {:<40} after [{}]", indent, t, stream_of(task), task.name,
                        join(after, " "));
    text += task.kind == TaskKind::loop ? "\n" : fmt::format(" at [{}]\n", join(places, " "));
    add_tasks(graph, task.body, indent + "  ", text);
  }
}

void add_agreement(const ShardedProgram& program, const std::vector<Step>& steps,
                   std::string& text) {
  for (const Step& step : steps) {
    if (const LoopStep* loop = std::get_if<LoopStep>(&step)) {
      text += fmt::format("{} times:\n", loop->over.extent());
      add_agreement(program, loop->body, text);
      text += "end\n";
    }
    const CommStep* comm = std::get_if<CommStep>(&step);
    if (comm == nullptr) continue;
    text += fmt::format(
        "{} of {} over {} {} {}{}\n", name_of(comm->kind), comm->origin,
        join(program.mesh.names(comm->axes)), name_of(comm->input.type()), name_of(comm->op),
        same_on_all(program, *comm)
            ? interval_text(comm->gather_blocks) + " to" + interval_text(comm->scatter_blocks)
            : "");
  }
}

}  // namespace

bool communicates(const Task& task) {
  return task.kind == TaskKind::communicate ||
         std::any_of(task.body.begin(), task.body.end(),
                     [](const Task& inner) { return communicates(inner); });
}

const char* stream_of(const Task& task) {
  if (task.kind == TaskKind::loop) return communicates(task) ? "both" : "compute";
  return task.kind == TaskKind::communicate ? "comm" : "compute";
}

void each_task(const std::vector<Task>& tasks, const std::function<void(const Task&)>& body) {
  for (const Task& task : tasks) {
    if (task.kind == TaskKind::loop) {
      each_task(task.body, body);
    } else {
      body(task);
    }
  }
}

size_t TaskGraph::offset_of(const Tensor& tensor) const {
  const Reference& reference = places.at(tensor);
  TESSERA_CHECK(reference.place.moves.empty()) << "`" << tensor.name() << "` has no fixed place";
  return buffers[static_cast<size_t>(reference.buffer)].offset +
         static_cast<size_t>(reference.place.offset) * size_of(tensor.type());
}

void verify(const TaskGraph& graph) {
  verify(graph.tasks);
}

std::string print(const TaskGraph& graph) {
  std::string text =
      fmt::format("task graph {}, rank {}: {} tasks, {} buffers, {} bytes\n", graph.name,
                  graph.rank, graph.tasks.size(), graph.buffers.size(), graph.arena_bytes);
  add_tasks(graph, graph.tasks, "", text);
  return text;
}

std::string agreement_text(const ShardedProgram& program) {
  std::string text = fmt::format("program {} mesh {} structure {}\n", program.name,
                                 print(program.mesh), structure_hash(program));
  add_agreement(program, program.steps, text);
  return text;
}

}  // namespace tessera
