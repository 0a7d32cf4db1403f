#include "launcher/bench/suite_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"

namespace tessera {
namespace {

std::string time_text(double seconds) {
  return seconds < 1e-3  ? fmt::format("{:.1f} us", 1e6 * seconds)
         : seconds < 1.0 ? fmt::format("{:.2f} ms", 1e3 * seconds)
                         : fmt::format("{:.3f} s", seconds);
}

std::string size_text(double bytes) {
  return bytes > 0 ? fmt::format("{:.1f}", bytes / (1 << 20)) : "";
}

// The names of all contenders of a suite but ours, in order of first appearance.
std::vector<std::string> others_of(const SuiteResult& result) {
  std::vector<std::string> names;
  for (const RowResult& row : result.rows)
    for (size_t i = 1; i < row.contenders.size(); ++i)
      if (std::find(names.begin(), names.end(), row.contenders[i].name) == names.end())
        names.push_back(row.contenders[i].name);
  return names;
}

const Contender* find_contender(const RowResult& row, const std::string& name) {
  for (const Contender& each : row.contenders)
    if (each.name == name) return &each;
  return nullptr;
}

// Have some rows been compiled? Those of collectives are not.
bool has_compiled(const SuiteResult& result) {
  return std::any_of(result.rows.begin(), result.rows.end(), [](const RowResult& row) {
    return !row.contenders.empty() && row.ours().compile_seconds > 0;
  });
}

std::string line_of(const RowResult& row, const std::vector<std::string>& others, bool compiled) {
  std::string text = fmt::format("  {:32}", row.row.name);
  if (row.contenders.empty() || row.ours().seconds.empty()) return text + "  failed, see below\n";
  text += fmt::format(" {:>11}", time_text(row.ours().median()));
  for (const std::string& name : others) {
    const Contender* other = find_contender(row, name);
    text +=
        fmt::format(" {:>11}", !other || other->seconds.empty() ? "-" : time_text(other->median()));
  }
  const std::optional<double> score = score_of(row);
  text += fmt::format(" {:>9}", score ? fmt::format("{:.2f}", *score) : "-");
  if (compiled)
    text += fmt::format(" {:>11} {:>9}", time_text(row.ours().compile_seconds),
                        size_text(row.ours().memory_bytes));
  for (const std::string& name : others) {
    const Contender* other = find_contender(row, name);
    if (other != nullptr && other->memory_bytes > 0)
      text += fmt::format("  {} {}", name, size_text(other->memory_bytes));
  }
  return text + (row.problem.empty() ? "" : "  WRONG, see below") + "\n";
}

std::string model_text(const SuiteResult& result) {
  const std::vector<KernelReport> all = kernels_of({result});
  if (all.empty()) return "";
  std::string text = "    predicted    measured  factor  kernel\n";
  for (const RowResult& row : result.rows)
    for (const KernelReport& kernel : row.kernels)
      if (kernel.measured)
        text += fmt::format("  {:>11} {:>11} {:7.2f}  {}: {}, {}\n", time_text(kernel.predicted),
                            time_text(*kernel.measured), kernel.predicted / *kernel.measured,
                            row.row.name, kernel.name, kind_of(kernel.form));
  return text + "  " + text_of(accuracy_of(all)) + "\n";
}

nlohmann::json json_of(const Contender& contender) {
  nlohmann::json json = {{"name", contender.name}};
  if (!contender.version.empty()) json["version"] = contender.version;
  if (!contender.problem.empty()) json["problem"] = contender.problem;
  if (contender.difference) json["difference"] = *contender.difference;
  if (contender.memory_bytes > 0) json["memory_bytes"] = contender.memory_bytes;
  if (contender.compile_seconds > 0) json["compile_ms"] = 1e3 * contender.compile_seconds;
  if (contender.seconds.empty()) return json;
  json["median_ms"] = 1e3 * contender.median();
  json["min_ms"] = 1e3 * contender.seconds.front();
  json["max_ms"] = 1e3 * contender.seconds.back();
  json["runs"] = contender.seconds.size();
  return json;
}

}  // namespace

std::optional<double> score_of(const RowResult& row) {
  if (row.contenders.empty() || row.ours().seconds.empty()) return std::nullopt;
  const Contender* best = row.fastest();
  if (best == nullptr) return std::nullopt;
  return best->median() / row.ours().median();
}

SuiteScore score_of(const SuiteResult& result) {
  SuiteScore total;
  double logarithms = 0;
  for (const RowResult& row : result.rows) {
    const std::optional<double> score = score_of(row);
    if (!score || *score <= 0) continue;
    logarithms += std::log(*score);
    if (total.rows++ == 0 || *score < total.worst) {
      total.worst = *score;
      total.worst_row = row.row.name;
    }
  }
  if (total.rows > 0) total.mean = std::exp(logarithms / total.rows);
  return total;
}

std::string text_of(const SuiteResult& result) {
  const std::vector<std::string> others = others_of(result);
  std::string text = fmt::format("{}: {}\n  {:32} {:>11}", result.suite.name, result.suite.title,
                                 "row", "tessera");
  for (const std::string& name : others) text += fmt::format(" {:>11}", name);
  const bool compiled = has_compiled(result);
  text += fmt::format(" {:>9}", "ratio");
  if (compiled) text += fmt::format(" {:>11} {:>9}", "compile", "MiB");
  text += "\n";
  for (const RowResult& row : result.rows) text += line_of(row, others, compiled);
  const SuiteScore score = score_of(result);
  if (score.rows > 0)
    text += fmt::format("  geometric mean {:.2f} of {} rows, worst {:.2f} ({})\n", score.mean,
                        score.rows, score.worst, score.worst_row);
  return text + model_text(result);
}

nlohmann::json json_of(const SuiteResult& result) {
  nlohmann::json rows = nlohmann::json::array();
  for (const RowResult& row : result.rows) {
    nlohmann::json json = {
        {"name", row.row.name}, {"flops", row.flops}, {"least_bytes", row.least_bytes}};
    if (const auto score = score_of(row)) json["score"] = *score;
    if (!row.problem.empty()) json["problem"] = row.problem;
    for (const Contender& each : row.contenders) json["contenders"].push_back(json_of(each));
    if (!row.kernels.empty()) json["kernels"] = json_of(row.kernels);
    rows.push_back(json);
  }
  const SuiteScore score = score_of(result);
  return {{"name", result.suite.name},   {"title", result.suite.title},  {"rows", rows},
          {"scored", score.rows},        {"geometric_mean", score.mean}, {"worst", score.worst},
          {"worst_row", score.worst_row}};
}

std::vector<KernelReport> kernels_of(const std::vector<SuiteResult>& results) {
  std::vector<KernelReport> all;
  for (const SuiteResult& result : results)
    for (const RowResult& row : result.rows)
      all.insert(all.end(), row.kernels.begin(), row.kernels.end());
  return all;
}

std::string problems_text(const std::vector<SuiteResult>& results) {
  std::set<std::string> versions, problems;
  std::string rows;
  for (const SuiteResult& result : results)
    for (const RowResult& row : result.rows) {
      if (!row.problem.empty())
        rows += fmt::format("{}/{}: {}\n", result.suite.name, row.row.name, row.problem);
      for (const Contender& each : row.contenders) {
        if (!each.version.empty()) versions.insert(each.version);
        if (!each.problem.empty()) problems.insert(each.name + ": " + each.problem);
      }
    }
  std::string text;
  if (!versions.empty()) text += "peers: " + join({versions.begin(), versions.end()}, "; ") + "\n";
  for (const std::string& problem : problems) text += "without " + problem + "\n";
  return text + rows;
}

bool any_failed(const std::vector<SuiteResult>& results) {
  for (const SuiteResult& result : results)
    for (const RowResult& row : result.rows)
      if (!row.problem.empty()) return true;
  return false;
}

}  // namespace tessera
