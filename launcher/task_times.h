#pragma once

#include <string>
#include <vector>

#include "launcher/task_prediction.h"
#include "runtime/execute.h"

namespace tessera {

// When the tasks of this rank ran in the last 101 steps; a step costs one store for each task.
class TaskTimes {
 public:
  void add(const std::vector<TaskTime>& times);

  // tasks.json: for each task outside of loops, what it is, and the median of when it began and of
  // what it took, beside what planning expects.
  //
  //   {"steps":101,"threads":1,"arena_bytes":4096,"tasks":[
  //     {"name":"all-reduce d_w","stream":"comm","where":"fit.tess:9:1",
  //      "begin_seconds":0.0015,"seconds":7e-06,"predicted_seconds":5.1e-05}]}
  std::string json(const TaskGraph& graph, const TaskPrices& prices) const;

 private:
  static constexpr size_t kSteps = 101;
  std::vector<std::vector<TaskTime>> steps_;  // the next one goes to number_ % kSteps
  size_t number_ = 0;
};

}  // namespace tessera
