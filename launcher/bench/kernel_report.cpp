#include "launcher/bench/kernel_report.h"
#include "launcher/median.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "codegen/kernel_model.h"
#include "launcher/bench/prepared_step.h"
#include "runtime/kernel_timer.h"

namespace tessera {
namespace {

constexpr int kRepeats = 5;
constexpr double kLeast = 2e-6;

// Seconds of every task of a step outside of loops, each the median of some steps.
std::vector<double> task_seconds(Executable& step) {
  std::vector<std::vector<double>> times;
  for (int i = 0; i < kRepeats; ++i) {
    step.run();
    const std::vector<TaskTime>& last = step.executor().times();
    times.resize(last.size());
    for (size_t t = 0; t < last.size(); ++t) times[t].push_back(last[t].end - last[t].begin);
  }
  std::vector<double> medians;
  for (std::vector<double>& each : times) {
    std::sort(each.begin(), each.end());
    medians.push_back(median_of(each));
  }
  return medians;
}

void measure_alone(KernelReport& report, Compiler& compiler, const KernelGroup& group,
                   KernelTimer& timer) {
  try {
    const Kernel kernel = compiler.compile(group);
    std::vector<double> times;
    for (int i = 0; i < kRepeats; ++i) times.push_back(timer.seconds(kernel, group));
    std::sort(times.begin(), times.end());
    report.measured = median_of(times);
  } catch (const UserError& error) {
    report.problem = error.what();
  }
}

KernelReport report_of(const Task& task, const Compiler& compiler, const CompilerOptions& options,
                       const Machine& machine) {
  const KernelGroup& group = task.group;
  const std::optional<ScheduleChoice> tuned = compiler.tuned_schedule(group);
  KernelReport report{.name = task.name,
                      .nests = {},
                      .form = kernel_form(group, build_options(options), tuned),
                      .tuned = tuned.has_value(),
                      .work = {},
                      .measured = {},
                      .problem = {}};
  for (const Nest& nest : group.nests) {
    report.nests.push_back(describe(nest));
    const WorkAmounts work = work_of(nest, machine);
    for (size_t i = 0; i < kWorks; ++i) report.work[i] += work[i];
  }
  report.predicted = predict_seconds(group, machine, build_options(options).workers);
  return report;
}

std::string time_text(double seconds) {
  return seconds < 1e-3 ? fmt::format("{:.1f} us", 1e6 * seconds)
                        : fmt::format("{:.3f} ms", 1e3 * seconds);
}

std::string head_of(const KernelReport& report) {
  const std::string measured =
      report.measured ? time_text(*report.measured) + " measured" : report.problem;
  return fmt::format("kernel {}{}: {}, {} predicted\n", report.name,
                     report.uses > 1 ? fmt::format(" ({} times a step)", report.uses) : "",
                     measured, time_text(report.predicted));
}

nlohmann::json numbers_of(const KernelForm& form) {
  if (const ContractionPlan* plan = std::get_if<ContractionPlan>(&form)) {
    const ContractionSchedule& s = plan->schedule;
    return {{"rows", s.rows},
            {"vectors", s.vectors},
            {"lanes", s.lanes},
            {"batched", s.batched},
            {"m_block", s.m_block},
            {"n_block", s.n_block},
            {"k_block", s.k_block},
            {"exchanged", plan->swapped},
            {"a_packed", s.a == Feed::packed},
            {"b_packed", s.b == Feed::packed},
            {"chunks", s.chunks}};
  }
  if (const BlockedForm* blocks = std::get_if<BlockedForm>(&form)) {
    nlohmann::json walks = nlohmann::json::array();
    for (const BlockWalk& walk : blocks->group.walks)
      walks.push_back({{"dim", walk.dim.name()}, {"block", walk.block}, {"serial", walk.serial}});
    nlohmann::json parts = nlohmann::json::array();
    for (const PartForm& part : blocks->parts[0])
      parts.push_back(std::visit([](const auto& each) { return numbers_of(each); }, part));
    return {{"walks", walks}, {"parts", parts}, {"chunks", blocks->group.points()}};
  }
  const LoopNest& nest = std::get<LoopNest>(form);
  nlohmann::json lanes = nlohmann::json::array();
  for (const Stage& stage : nest.stages)
    lanes.push_back(stage.lane >= 0 ? stage.lanes : nest.lane >= 0 ? nest.lanes : 1);
  return {{"lanes", lanes},
          {"points", nest.points},
          {"grain", nest.grain},
          {"scratch_bytes", nest.scratch_bytes},
          {"chunks", nest.chunks}};
}

}  // namespace

std::vector<KernelReport> kernel_reports(Executable& step, Compiler& compiler,
                                         const CompilerOptions& options, const Machine& machine) {
  std::vector<KernelReport> reports;
  std::map<std::string, size_t> known;  // by canonical text
  const auto add = [&](const Task& task) -> KernelReport& {
    const auto [at, fresh] = known.emplace(canonical_text(task.group), reports.size());
    if (fresh)
      reports.push_back(report_of(task, compiler, options, machine));
    else
      ++reports[at->second].uses;
    return reports[at->second];
  };
  const std::vector<double> seconds = task_seconds(step);
  const std::vector<Task>& tasks = step.executor().graph().tasks;
  KernelTimer timer(build_options(options).workers);
  for (size_t t = 0; t < tasks.size(); ++t) {
    if (tasks[t].kind == TaskKind::compute) {
      KernelReport& report = add(tasks[t]);
      report.measured =
          report.measured.value_or(0) + (seconds[t] - report.measured.value_or(0)) / report.uses;
    }
    each_task(tasks[t].body, [&](const Task& task) {
      if (task.kind != TaskKind::compute) return;
      KernelReport& report = add(task);
      if (report.uses == 1) measure_alone(report, compiler, task.group, timer);
    });
  }
  return reports;
}

std::string text_of(const std::vector<KernelReport>& reports) {
  std::string text;
  for (const KernelReport& report : reports) {
    text += head_of(report);
    for (size_t i = 0; i < report.nests.size(); ++i)
      text += fmt::format("  {:9}  {}\n", i == 0 ? "nests" : "", report.nests[i]);
    text += fmt::format("  {:9}  {}{}\n", "kind", kind_of(report.form),
                        report.tuned ? ", as tuning found best" : "");
    for (const ScheduleFact& fact : explain(report.form))
      text += fmt::format("  {:9}  {}\n", fact.what, fact.text);
  }
  if (const ModelAccuracy accuracy = accuracy_of(reports); accuracy.kernels > 0)
    text += text_of(accuracy) + "\n";
  return text;
}

std::string text_of(const ModelAccuracy& accuracy) {
  return fmt::format(
      "of {} kernels of 2 us or more, predictions are off by a factor of {:.2f} in the median; "
      "{:.0f} % are within a factor of 2",
      accuracy.kernels, accuracy.median, 100 * accuracy.within_two);
}

nlohmann::json json_of(const std::vector<KernelReport>& reports) {
  nlohmann::json list = nlohmann::json::array();
  for (const KernelReport& report : reports) {
    nlohmann::json facts = nlohmann::json::array();
    for (const ScheduleFact& fact : explain(report.form))
      facts.push_back({{"what", fact.what}, {"text", fact.text}});
    nlohmann::json work;
    for (size_t i = 0; i < kWorks; ++i)
      if (report.work[i] > 0) work[name_of(static_cast<WorkKind>(i))] = report.work[i];
    nlohmann::json kernel = {{"name", report.name},
                             {"uses", report.uses},
                             {"work", work},
                             {"nests", report.nests},
                             {"kind", kind_of(report.form)},
                             {"tuned", report.tuned},
                             {"schedule", numbers_of(report.form)},
                             {"explained", facts},
                             {"predicted_ms", 1e3 * report.predicted}};
    if (report.measured)
      kernel["measured_ms"] = 1e3 * *report.measured;
    else
      kernel["problem"] = report.problem;
    list.push_back(kernel);
  }
  return list;
}

ModelAccuracy accuracy_of(const std::vector<KernelReport>& reports) {
  std::vector<double> factors;
  for (const KernelReport& report : reports)
    if (report.measured && *report.measured >= kLeast && report.predicted > 0) {
      const double ratio = report.predicted / *report.measured;
      factors.push_back(std::max(ratio, 1 / ratio));
    }
  std::sort(factors.begin(), factors.end());
  const auto near = std::upper_bound(factors.begin(), factors.end(), 2.0) - factors.begin();
  ModelAccuracy accuracy;
  accuracy.kernels = static_cast<int>(factors.size());
  if (factors.empty()) return accuracy;
  accuracy.median = median_of(factors);
  accuracy.within_two = static_cast<double>(near) / static_cast<double>(factors.size());
  return accuracy;
}

}  // namespace tessera
