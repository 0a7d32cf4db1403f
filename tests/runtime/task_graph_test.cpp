#include "runtime/task_graph.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "ir/normalize.h"
#include "ir/parse.h"
#include "ir/stack_loops.h"
#include "models/mlp.h"
#include "models/optimizers.h"
#include "partition/lower.h"
#include "partition/manual_plan.h"
#include "tests/ir/random_program.h"

namespace tessera {
namespace {

TaskGraph data_parallel_graph(int rank) {
  const Program step = normalize(mlp({256, 784, {512, 512}, 10}, sgd(0.1)));
  const Plan plan = manual_plan(step, Mesh{{{"data", 2}}}, {{"image", "batch", "data", {}}});
  return build_task_graph(lower(step, plan, rank));
}

TEST(TaskGraph, UpdatesHappenInPlace) {
  const TaskGraph graph = data_parallel_graph(0);
  verify(graph);
  for (const Task& task : graph.tasks) EXPECT_NE(task.kind, TaskKind::copy) << task.name;
}

// Of outputs that no cache holds: those that lie where an input lay are written into lines that are
// in cache.
TEST(TaskGraph, LargeOutputsAreWrittenPastTheCachesUnlessInPlace) {
  const Program step = normalize(
      parse("program p\ndim n = 1000000000\ninput g[n]\nparam w[n] = normal(0, 1)\n"
            "y = 2 * w + g\nupdate w = w - 0.1 * g\ntotal = sum[n](y)\nsmall = total * 2\n"
            "output y[n]\noutput small\n"));
  const TaskGraph graph = build_task_graph(lower(step, manual_plan(step, Mesh{{}}, {}), 0));
  std::set<std::string> past, written;
  for (const Task& task : graph.tasks) {
    for (const Tensor& tensor : task.group.outputs) written.insert(tensor.name());
    for (const Tensor& tensor : task.group.past_caches) past.insert(tensor.name());
  }
  EXPECT_EQ(written.count("w_next"), 1u) << print(graph);
  EXPECT_EQ(past, std::set<std::string>{"y"}) << print(graph);
}

TEST(TaskGraph, CollectivesComeInTheSameOrderOnAllRanks) {
  std::vector<std::string> order[2];
  for (int rank = 0; rank < 2; ++rank)
    for (const Task& task : data_parallel_graph(rank).tasks)
      if (task.kind == TaskKind::communicate) order[rank].push_back(task.name);
  EXPECT_GE(order[0].size(), 6u);
  EXPECT_EQ(order[0], order[1]);
}

TEST(TaskGraph, CollectivesStartBeforeTheBackwardPassEnds) {
  const TaskGraph graph = data_parallel_graph(0);
  int first_comm = -1;
  int last_contraction = -1;
  for (size_t t = 0; t < graph.tasks.size(); ++t) {
    if (graph.tasks[t].kind == TaskKind::communicate && first_comm < 0)
      first_comm = static_cast<int>(t);
    if (graph.tasks[t].name.find("d_w1") != std::string::npos &&
        graph.tasks[t].kind == TaskKind::compute && last_contraction < 0)
      last_contraction = static_cast<int>(t);
  }
  ASSERT_GE(first_comm, 0);
  EXPECT_LT(first_comm, last_contraction) << print(graph);
}

// Without collectives, what an update is made from is free as soon as it may happen.
TEST(TaskGraph, UpdatesThatFreeMemoryHappenEarly) {
  const Program step = normalize(mlp({256, 784, {512, 512, 512}, 10}, sgd(0.1)));
  const Plan plan = manual_plan(step, Mesh{{{"data", 1}}}, {});
  const TaskGraph graph = build_task_graph(lower(step, plan, 0));
  size_t update = graph.tasks.size(), backward = 0;
  for (size_t t = 0; t < graph.tasks.size(); ++t) {
    const std::string& name = graph.tasks[t].name;
    if (name.find("w4_next") != std::string::npos) update = std::min(update, t);
    if (name.find("w1_next") != std::string::npos) backward = t;
  }
  EXPECT_LT(update + 2, backward) << print(graph);
}

// Eight layers that are trained, all of them checkpoints but every fourth, or none.
size_t bytes_to_train(bool checkpoints) {
  std::string text = "program deep\ndim batch = 4096";
  for (int i = 0; i <= 8; ++i) text += ", h" + std::to_string(i) + " = 64";
  text += "\ninput a0[batch, h0]\n";
  std::string updates;
  for (int i = 0; i < 8; ++i) {
    const std::string in = std::to_string(i), out = std::to_string(i + 1);
    const std::string layer = "tanh(sum[h" + in + "](a" + in + " * w" + in + "))";
    text += "param w" + in + "[h" + in + ", h" + out + "] = glorot()\n";
    text += "a" + out + " = " + (checkpoints && i % 4 != 3 ? "checkpoint(" + layer + ")" : layer) +
            "\n";
    updates += "update w" + in + " = w" + in + " - grad(loss, w" + in + ")\n";
  }
  const Program program =
      normalize(parse(text + "loss = sum[batch, h8](a8 * a8)\n" + updates + "output loss\n"));
  return build_task_graph(lower(program, manual_plan(program, Mesh{{{"data", 1}}}, {}), 0))
      .arena_bytes;
}

TEST(TaskGraph, CheckpointsSaveMemoryWhereParametersAreTrained) {
  const double with = static_cast<double>(bytes_to_train(true));
  EXPECT_LT(with, 0.75 * static_cast<double>(bytes_to_train(false)));
}

bool are_apart(const Buffer& p, const Buffer& q) {
  return p.bytes == 0 || q.bytes == 0 || p.offset + p.bytes <= q.offset ||
         q.offset + q.bytes <= p.offset;
}

// The buffers at home in `scope` that the task touches; of a loop, while any iteration runs.
std::vector<Buffer> buffers_at_home(const TaskGraph& graph, const Task& task, const Scope& scope) {
  std::vector<Buffer> found;
  for (const int b : std::set<int>(task.buffers.begin(), task.buffers.end()))
    if (graph.buffers[static_cast<size_t>(b)].home == scope)
      found.push_back(graph.buffers[static_cast<size_t>(b)]);
  return found;
}

void expect_apart(const TaskGraph& graph, const std::vector<Task>& tasks, const Scope& scope) {
  std::vector<std::vector<int>> depends;
  for (const Task& task : tasks) depends.push_back(task.depends);
  const Precedence precedence(depends);
  for (size_t a = 0; a < tasks.size(); ++a) {
    const std::vector<Buffer> mine = buffers_at_home(graph, tasks[a], scope);
    for (size_t i = 0; i < mine.size(); ++i)
      for (size_t j = i + 1; j < mine.size(); ++j) EXPECT_TRUE(are_apart(mine[i], mine[j]));
    for (size_t b = a + 1; b < tasks.size(); ++b) {
      if (precedence.before(static_cast<int>(a), static_cast<int>(b))) continue;
      for (const Buffer& p : mine)
        for (const Buffer& q : buffers_at_home(graph, tasks[b], scope))
          EXPECT_TRUE(p.tensors == q.tensors || are_apart(p, q))
              << tasks[a].name << " and " << tasks[b].name;
    }
    if (tasks[a].kind != TaskKind::loop) continue;
    const Buffer& frame = graph.buffers[static_cast<size_t>(tasks[a].frame)];
    for (const Task& inner : tasks[a].body)
      for (const Buffer& buffer : buffers_at_home(graph, inner, tasks[a].scope))
        EXPECT_TRUE(buffer.bytes == 0 ||
                    (buffer.offset >= frame.offset &&
                     buffer.offset + buffer.bytes <= frame.offset + frame.bytes))
            << inner.name << " leaves the frame of " << tasks[a].name;
    expect_apart(graph, tasks[a].body, tasks[a].scope);
  }
}

TEST(TaskGraph, TwoTasksThatMayMeetNeverShareBytes) {
  for (uint64_t seed = 0; seed < 90; ++seed) {
    RandomProgramOptions options;
    options.gradients = seed % 2 == 0;
    options.loops = seed % 3 == 0;
    const Program normal = stack_loops(normalize(random_program(seed, options)));
    const Mesh mesh{{{"data", 3}}};
    std::vector<Pin> pins;
    for (const Tensor& input : normal.inputs())
      if (!input.dims().empty()) pins.push_back({input.name(), input.dims()[0].name(), "data", {}});
    const TaskGraph graph = build_task_graph(lower(normal, manual_plan(normal, mesh, pins), 1));
    verify(graph);
    SCOPED_TRACE(seed);
    expect_apart(graph, graph.tasks, {});
    if (HasFailure()) FAIL() << print(graph);
  }
}

}  // namespace
}  // namespace tessera
