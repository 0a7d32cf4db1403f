#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "launcher/trace_file.h"
#include "partition/plan.h"

namespace tessera {

// Values over steps; NaN where there was no number.
struct RunSeries {
  std::vector<double> steps;
  std::vector<double> values;
};

struct ReportedTask {
  std::string name;
  std::string stream;
  std::string where;
  double seconds = 0;
  double predicted_seconds = 0;
};

// What a run's folder says about the run.
struct RunSummary {
  std::string folder;
  std::map<std::string, RunSeries> training;  // by metric; "seconds" and "memory_bytes", too
  std::map<std::string, RunSeries> testing;
  std::string config;     // config.yaml
  std::string plan_text;  // plan.txt
  std::optional<Plan> plan;
  nlohmann::json environment;
  std::vector<ReportedTask> tasks;  // none where the run did not come to its end
  int64_t task_steps = 0;           // of which their times are medians
  int64_t arena_bytes = 0;          // of rank 0
  std::optional<Trace> trace;
};

// Of a run that has ended, or goes on. UserError when the folder is none of a run, or damaged.
RunSummary read_run(const std::string& folder);

}  // namespace tessera
