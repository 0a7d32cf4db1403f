#include "launcher/task_times.h"

#include <nlohmann/json.hpp>

#include "launcher/json_text.h"
#include "launcher/median.h"

namespace tessera {

void TaskTimes::add(const std::vector<TaskTime>& times) {
  if (steps_.size() < kSteps)
    steps_.push_back(times);
  else
    steps_[number_ % kSteps] = times;
  ++number_;
}

std::string TaskTimes::json(const TaskGraph& graph, const TaskPrices& prices) const {
  const auto median = [&](size_t task, double (*value)(const TaskTime&)) {
    std::vector<double> values;
    for (const std::vector<TaskTime>& step : steps_) values.push_back(value(step[task]));
    return median_of(std::move(values));
  };
  nlohmann::json list = nlohmann::json::array();
  for (size_t t = 0; t < graph.tasks.size(); ++t) {
    const Task& task = graph.tasks[t];
    list.push_back(
        {{"name", task.name},
         {"stream", stream_of(task)},
         {"where", task.where.str()},
         {"begin_seconds", median(t, [](const TaskTime& time) { return time.begin; })},
         {"seconds", median(t, [](const TaskTime& time) { return time.end - time.begin; })},
         {"predicted_seconds", predicted_seconds(task, prices)}});
  }
  return json_text(nlohmann::json{{"steps", steps_.size()},
                                  {"threads", prices.threads},
                                  {"arena_bytes", graph.arena_bytes},
                                  {"tasks", list}}) +
         "\n";
}

}  // namespace tessera
