#include "launcher/report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/units.h"
#include "launcher/median.h"
#include "launcher/report/chart.h"
#include "launcher/report/html.h"
#include "launcher/report/page_parts.h"

namespace tessera {
namespace {

ChartLine line_of(const std::string& name, const RunSeries& series, bool dots = false) {
  return {name, series.steps, series.values, dots};
}

const RunSeries* find(const std::map<std::string, RunSeries>& all, const std::string& name) {
  const auto it = all.find(name);
  return it == all.end() || it->second.values.empty() ? nullptr : &it->second;
}

double last_of(const RunSeries& series) {
  return series.values.back();
}

std::string head(const RunSummary& run) {
  const std::string program = run.plan ? run.plan->program : "a run";
  std::string text = "<h1>" + html(program) + "</h1>\n<p>" + html(run.folder);
  if (run.environment.contains("time"))
    text += ", begun " + html(run.environment["time"].get<std::string>());
  if (run.environment.contains("host"))
    text += " on " + html(run.environment["host"].get<std::string>());
  text += "</p>\n<div class=figures>\n";
  const RunSeries* seconds = find(run.training, "seconds");
  if (seconds != nullptr) {
    add_figure(text, fmt::format("{}", seconds->steps.size()), "steps in this folder");
    add_figure(text, human_seconds(median_of(seconds->values)), "a step, in the median");
  }
  if (run.plan) {
    add_figure(text, std::to_string(run.plan->mesh.ranks()),
               "ranks, mesh " + print(run.plan->mesh));
    if (run.plan->predicted.seconds > 0)
      add_figure(text, human_seconds(run.plan->predicted.seconds), "a step, as predicted");
  }
  if (const RunSeries* loss = find(run.training, "loss"))
    add_figure(text, fmt::format("{:.5g}", last_of(*loss)), "loss of the last step");
  for (const auto& [name, series] : run.testing)
    add_figure(text, fmt::format("{:.5g}", last_of(series)), "test " + name + ", the last");
  return text + "</div>\n";
}

// One chart for each metric; with what was tested beside it.
std::string metrics(const RunSummary& run) {
  std::string text;
  const auto draw = [&](const std::string& name) {
    Chart chart{"step", name, {}};
    if (const RunSeries* training = find(run.training, name))
      chart.lines.push_back(line_of("training", *training));
    if (const RunSeries* testing = find(run.testing, name))
      chart.lines.push_back(line_of("testing", *testing, true));
    if (!chart.lines.empty()) text += svg(chart);
  };
  draw("loss");
  for (const auto& [name, series] : run.training)
    if (name != "loss" && name != "seconds" && name != "memory_bytes" && name != "epoch")
      draw(name);
  for (const auto& [name, series] : run.testing)
    if (name != "loss" && run.training.count(name) == 0) draw(name);
  return text;
}

std::string throughput(const RunSummary& run) {
  const RunSeries* seconds = find(run.training, "seconds");
  if (seconds == nullptr) return "";
  // Steps a second of as many steps as fit into a bucket, so that time counts and not steps.
  constexpr size_t kBuckets = 200;
  const size_t each = std::max<size_t>(1, seconds->values.size() / kBuckets);
  RunSeries rates;
  for (size_t begin = 0; begin < seconds->values.size(); begin += each) {
    const size_t end = std::min(begin + each, seconds->values.size());
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += seconds->values[i];
    if (!(sum > 0)) continue;
    rates.steps.push_back(seconds->steps[end - 1]);
    rates.values.push_back(static_cast<double>(end - begin) / sum);
  }
  Chart chart{"step", "steps a second", {line_of("", rates)}, true};
  return svg(chart) +
         "<p>What a step took includes feeding it and fetching its outputs, not testing and not "
         "checkpoints.</p>\n";
}

std::string memory(const RunSummary& run) {
  std::string text;
  if (const RunSeries* bytes = find(run.training, "memory_bytes")) {
    Chart chart{"step", "memory of rank 0's process", {line_of("", *bytes)}, true};
    chart.y_text = [](double value) { return human_bytes(std::llround(value)); };
    while (1024 * chart.y_unit <= *std::max_element(bytes->values.begin(), bytes->values.end()))
      chart.y_unit *= 1024;
    text += svg(chart);
  }
  std::vector<std::string> parts;
  if (run.plan && run.plan->predicted.peak_bytes > 0)
    parts.push_back("The plan needs " + human_bytes(run.plan->predicted.peak_bytes) +
                    " per rank for its tensors");
  if (run.arena_bytes > 0)
    parts.push_back("rank 0 keeps them in an arena of " + human_bytes(run.arena_bytes));
  std::string sentence;
  for (const std::string& part : parts) sentence += (sentence.empty() ? "" : "; ") + part;
  return sentence.empty() ? text : text + "<p>" + html(sentence) + ".</p>\n";
}

std::string bars(const ReportedTask& task, double most) {
  const auto bar = [&](const char* kind, double seconds) {
    return fmt::format("<i class={} style=\"width:{:.1f}%\"></i>", kind,
                       most > 0 ? 100 * seconds / most : 0);
  };
  return "<div class=bars>" + bar("measured", task.seconds) +
         bar("predicted", task.predicted_seconds) + "</div>";
}

std::string tasks(const RunSummary& run) {
  if (run.tasks.empty())
    return "<p>The run has left no times of tasks: it goes on, or has ended with an error.</p>\n";
  double most = 0;
  double measured = 0;
  double predicted = 0;
  for (const ReportedTask& task : run.tasks) {
    most = std::max({most, task.seconds, task.predicted_seconds});
    measured += task.seconds;
    predicted += task.predicted_seconds;
  }
  std::vector<std::vector<std::string>> rows;
  for (const ReportedTask& task : run.tasks)
    rows.push_back(
        {html(task.name), html(task.stream), line_cell(task.where), human_seconds(task.seconds),
         human_seconds(task.predicted_seconds),
         task.seconds > 0 ? fmt::format("{:.2f}", task.predicted_seconds / task.seconds) : "",
         bars(task, most)});
  rows.push_back({"<b>all</b>", "", "", human_seconds(measured), human_seconds(predicted),
                  measured > 0 ? fmt::format("{:.2f}", predicted / measured) : "", ""});
  return fmt::format(
             "<p>On rank 0, in the order in which they run; medians of the last {} steps."
             "<span class=\"key measured\"></span>measured"
             "<span class=\"key predicted\"></span>predicted</p>\n",
             run.task_steps) +
         html_table({"task", "stream", "line", "measured", "predicted", "ratio", ""}, rows,
                    {false, false, false, true, true, true, false});
}

std::string waits(const RunSummary& run) {
  if (!run.trace) return "";
  std::vector<std::vector<std::string>> rows;
  for (size_t r = 0; r < run.trace->ranks.size(); ++r) {
    const RankTimes times = times_of(*run.trace, r);
    const TracedRank& rank = run.trace->ranks[r];
    rows.push_back({std::to_string(rank.rank), html(rank.host), human_seconds(times.step),
                    human_seconds(times.computing), human_seconds(times.waiting),
                    human_seconds(times.communicating), human_seconds(times.for_peers)});
  }
  return fmt::format(
             "<p>Means of {} steps from step {} on; <code>tessera trace {}</code> makes the "
             "timeline.</p>\n",
             run.trace->steps, run.trace->first_step, html(run.folder)) +
         html_table({"rank", "host", "step", "computing", "exposed wait", "communicating",
                     "of it for other ranks"},
                    rows, {true, false, true, true, true, true, true});
}

std::string plan(const RunSummary& run) {
  if (run.plan_text.empty()) return "";
  const size_t end = run.plan_text.find("\n\n");
  std::string text = "<pre>" + html(run.plan_text.substr(0, end)) + "</pre>\n";
  if (end != std::string::npos)
    text += folded("where everything lives, and why", run.plan_text.substr(end + 2));
  return text;
}

std::string host(const RunSummary& run) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : run.environment.items())
    rows.push_back({html(name), html(value.is_string() ? value.get<std::string>() : value.dump())});
  return rows.empty() ? "" : html_table({}, rows, {});
}

}  // namespace

std::string report_page(const RunSummary& run) {
  const std::string name = std::filesystem::path(run.folder).filename().string();
  return page_head(name) + head(run) + section("Metrics", metrics(run)) +
         section("Throughput", throughput(run)) +
         section("Tasks: predicted against measured", tasks(run)) +
         section("Where ranks waited", waits(run)) + section("Memory", memory(run)) +
         section("Plan", plan(run)) + section("Host", host(run)) +
         section("Config", folded("config.yaml", run.config)) + "</body></html>\n";
}

}  // namespace tessera
