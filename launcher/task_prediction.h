#pragma once

#include <vector>

#include "codegen/machine.h"
#include "partition/plan.h"
#include "partition/reshard.h"
#include "runtime/task_graph.h"

namespace tessera {

// What tasks are priced by.
struct TaskPrices {
  Machine machine;
  int threads = 1;  // that compute on a rank
  Mesh mesh;
  const CommCost* comm = nullptr;
};

// Seconds that the prices of planning expect of one run of a task: of a kernel, as its nests run
// together; of a loop, what its body takes in all iterations, nothing overlapping.
double predicted_seconds(const Task& task, const TaskPrices& prices);

// All tasks of a list, those inside of a loop after the loop.
std::vector<const Task*> all_tasks(const std::vector<Task>& tasks);

}  // namespace tessera
