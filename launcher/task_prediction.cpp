#include "launcher/task_prediction.h"

#include "codegen/kernel_model.h"
#include "partition/comm_steps.h"
#include "runtime/build_tasks.h"

namespace tessera {

double predicted_seconds(const Task& task, const TaskPrices& prices) {
  switch (task.kind) {
    case TaskKind::compute:
      return predict_seconds(task.group, prices.machine, prices.threads);
    case TaskKind::communicate:
      return prices.comm->seconds(task.comm->kind, prices.mesh, task.comm->axes, task.comm->bytes) +
             prices.comm->copying(copied_bytes(*task.comm, 0));
    case TaskKind::copy:
      return copy_seconds(task.bytes);
    case TaskKind::loop: {
      double seconds = 0;
      for (const Task& each : task.body) seconds += predicted_seconds(each, prices);
      return seconds * static_cast<double>(task.over->extent());
    }
  }
  return 0;
}

std::vector<const Task*> all_tasks(const std::vector<Task>& tasks) {
  std::vector<const Task*> all;
  for (const Task& task : tasks) {
    all.push_back(&task);
    for (const Task* inner : all_tasks(task.body)) all.push_back(inner);
  }
  return all;
}

}  // namespace tessera
