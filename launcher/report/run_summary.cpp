#include "launcher/report/run_summary.h"

#include <filesystem>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "base/read_file.h"

namespace tessera {
namespace {

using Json = nlohmann::json;
constexpr size_t kMostBytes = size_t{256} << 20;

bool is_there(const std::string& file) {
  std::error_code ignored;
  return std::filesystem::exists(file, ignored);
}

std::string text_of_file(const std::string& file) {
  return is_there(file) ? read_file(file, {"a file of a run", kMostBytes}) : "";
}

Json json_of_file(const std::string& file) {
  const std::string text = text_of_file(file);
  if (text.empty()) return Json::object();
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object())
    throw UserError(file + ": is no JSON object; a run writes it, so it was changed or damaged");
  return json;
}

void add(std::map<std::string, RunSeries>& series, const std::string& name, double step,
         const Json& value) {
  if (!value.is_number() && !value.is_null()) return;
  RunSeries& one = series[name];
  one.steps.push_back(step);
  one.values.push_back(value.is_number() ? value.get<double>()
                                         : std::numeric_limits<double>::quiet_NaN());
}

void add_line(RunSummary& run, const Json& line) {
  const double step = line.at("step");
  const bool test = line.contains("test");
  for (const auto& [name, value] : (test ? line["test"] : line).items())
    if (name != "step") add(test ? run.testing : run.training, name, step, value);
}

// The last line of a run that goes on may be half there.
void read_metrics(RunSummary& run, const std::string& file) {
  std::ifstream stream(file);
  if (!stream)
    throw UserError(file +
                    ": is not there; `tessera report` takes the folder of a run, as "
                    "output.dir names it, once the first step is done");
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    try {
      add_line(run, Json::parse(line));
    } catch (const Json::exception& error) {
      if (stream.peek() == std::ifstream::traits_type::eof()) return;
      throw UserError(SourceLocation(file, number),
                      std::string("is no line of metrics, as a run writes them: ") + error.what());
    }
  }
}

void read_tasks(RunSummary& run, const std::string& file) {
  const Json json = json_of_file(file);
  if (json.empty()) return;
  try {
    run.task_steps = json.at("steps");
    run.arena_bytes = json.at("arena_bytes");
    for (const Json& task : json.at("tasks"))
      run.tasks.push_back({task.at("name"), task.at("stream"), task.at("where"), task.at("seconds"),
                           task.at("predicted_seconds")});
  } catch (const Json::exception& error) {
    throw UserError(file + ": is no list of tasks, as a run writes it: " + error.what());
  }
}

}  // namespace

RunSummary read_run(const std::string& folder) {
  RunSummary run;
  run.folder = folder;
  read_metrics(run, folder + "/metrics.jsonl");
  run.config = text_of_file(folder + "/config.yaml");
  run.plan_text = text_of_file(folder + "/plan.txt");
  const std::string plan = text_of_file(folder + "/plan.yaml");
  if (!plan.empty()) run.plan = plan_from_text(plan, folder + "/plan.yaml");
  run.environment = json_of_file(folder + "/environment.json");
  read_tasks(run, folder + "/tasks.json");
  if (is_there(folder + "/trace.jsonl")) run.trace = read_trace(folder);
  return run;
}

}  // namespace tessera
