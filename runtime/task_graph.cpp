#include "runtime/task_graph.h"

#include <fmt/format.h>

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
  return comm.kind != CommKind::halo &&
         comm.axes.size() == static_cast<size_t>(program.mesh.count());
}

std::vector<Tensor> written_by(const Task& task) {
  if (task.kind == TaskKind::compute) return task.group.outputs;
  if (task.kind == TaskKind::communicate) return {task.comm->output};
  return {};
}

std::vector<Tensor> read_by(const Task& task) {
  if (task.kind == TaskKind::compute) return task.group.inputs;
  if (task.kind == TaskKind::communicate) return {task.comm->input};
  return {};
}

}  // namespace

size_t TaskGraph::offset_of(const Tensor& tensor) const {
  return buffers[static_cast<size_t>(buffer_of.at(tensor))].offset;
}

void verify(const TaskGraph& graph) {
  std::vector<std::vector<int>> depends;
  for (const Task& task : graph.tasks) depends.push_back(task.depends);
  const Precedence precedence(depends);  // checks that dependencies point backwards
  std::map<Tensor, int> writer;
  for (size_t t = 0; t < graph.tasks.size(); ++t)
    for (const Tensor& tensor : written_by(graph.tasks[t]))
      writer.emplace(tensor, static_cast<int>(t));
  for (size_t t = 0; t < graph.tasks.size(); ++t) {
    for (const Tensor& tensor : read_by(graph.tasks[t])) {
      const auto it = writer.find(tensor);
      TESSERA_CHECK(it == writer.end() || precedence.before(it->second, static_cast<int>(t)))
          << "task " << t << " reads `" << tensor.name() << "` before it is written";
    }
  }
}

std::string print(const TaskGraph& graph) {
  std::string text =
      fmt::format("task graph {}, rank {}: {} tasks, {} buffers, {} bytes\n", graph.name,
                  graph.rank, graph.tasks.size(), graph.buffers.size(), graph.arena_bytes);
  for (size_t t = 0; t < graph.tasks.size(); ++t) {
    const Task& task = graph.tasks[t];
    std::vector<std::string> after;
    for (int d : task.depends) after.push_back(std::to_string(d));
    std::vector<std::string> places;
    for (int b : task.buffers) {
      const Buffer& buffer = graph.buffers[static_cast<size_t>(b)];
      places.push_back(fmt::format("{}+{}", buffer.offset, buffer.bytes));
    }
    text += fmt::format("{:4} {} {:<40} after [{}] at [{}]\n", t,
                        task.kind == TaskKind::communicate ? "comm   " : "compute", task.name,
                        join(after, " "), join(places, " "));
  }
  return text;
}

std::string agreement_text(const ShardedProgram& program) {
  std::string text = fmt::format("program {} mesh {} structure {}\n", program.name,
                                 print(program.mesh), structure_hash(program));
  for (const Step& step : program.steps) {
    const CommStep* comm = std::get_if<CommStep>(&step);
    if (comm == nullptr) continue;
    text += fmt::format(
        "{} of {} over {} {} {}{}\n", name_of(comm->kind), comm->origin,
        join(program.mesh.names(comm->axes)), name_of(comm->input.type()), name_of(comm->op),
        same_on_all(program, *comm)
            ? interval_text(comm->gather_blocks) + " to" + interval_text(comm->scatter_blocks)
            : "");
  }
  return text;
}

}  // namespace tessera
