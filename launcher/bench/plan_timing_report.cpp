#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "launcher/bench/plan_timing.h"
#include "launcher/median.h"

namespace tessera {
namespace {

constexpr double kNear = 1.15;
constexpr double kTwice = 2;
constexpr double kNearMemory = 0.03;
constexpr double kFastEnough = 0.95;

// Of the rows that were measured.
struct Summary {
  size_t rows = 0, near = 0, within_two = 0, near_memory = 0, compared = 0, fast = 0;
  double factor = 0;       // in the median
  double memory = 0;       // the error, in the median
  double correlation = 0;  // in the median, of rows with other plans
};

Summary summary_of(const std::vector<PlanRow>& rows) {
  Summary all;
  std::vector<double> factors, correlations, memory;
  for (const PlanRow& row : rows) {
    if (!row.problem.empty()) continue;
    factors.push_back(row.ours.factor());
    memory.push_back(row.ours.memory_error());
    all.near_memory += memory.back() <= kNearMemory ? 1 : 0;
    all.near += factors.back() <= kNear ? 1 : 0;
    all.within_two += factors.back() <= kTwice ? 1 : 0;
    if (row.others.empty()) continue;
    correlations.push_back(row.rank_correlation());
    all.fast += row.over_fastest() >= kFastEnough ? 1 : 0;
  }
  all.rows = factors.size();
  all.compared = correlations.size();
  all.factor = median_of(factors);
  all.memory = median_of(memory);
  all.correlation = median_of(correlations);
  return all;
}

nlohmann::json json_of(const PlanTiming& timing) {
  return {{"mesh", timing.mesh},
          {"plan_hash", timing.hash},
          {"predicted_ms", 1e3 * timing.predicted},
          {"measured_ms", 1e3 * timing.measured},
          {"planned_bytes", timing.planned_bytes},
          {"held_bytes", timing.held_bytes}};
}

}  // namespace

std::string text_of(const std::vector<PlanRow>& rows) {
  const bool others =
      std::any_of(rows.begin(), rows.end(), [](const PlanRow& row) { return !row.others.empty(); });
  std::string text = fmt::format("  {:26} {:14} {:>9} {:>9} {:>6} {:>9} {:>9}", "program", "mesh",
                                 "predicted", "measured", "factor", "planned", "held");
  text += others ? fmt::format(" {:>5} {:>8} {:>12}\n", "plans", "in order", "fastest/ours") : "\n";
  std::string problems;
  for (const PlanRow& row : rows) {
    text += fmt::format("  {:26} ", row.name);
    if (!row.problem.empty()) {
      text += "failed, see below\n";
      problems += row.name + ": " + row.problem + "\n";
      continue;
    }
    text +=
        fmt::format("{:14} {:>9} {:>9} {:6.2f} {:>9} {:>9}",
                    row.ours.mesh.empty() ? "-" : row.ours.mesh, human_seconds(row.ours.predicted),
                    human_seconds(row.ours.measured), row.ours.predicted / row.ours.measured,
                    human_bytes(row.ours.planned_bytes), human_bytes(row.ours.held_bytes));
    if (!row.others.empty())
      text += fmt::format(" {:5} {:8.2f} {:12.2f}", 1 + row.others.size(), row.rank_correlation(),
                          row.over_fastest());
    text += "\n";
  }
  const Summary all = summary_of(rows);
  text += fmt::format(
      "predictions are off by a factor of {:.2f} in the median of {} programs; {} are within 15 %, "
      "{} within two times\nplanned memory is off by {:.1f} % in the median, and within 3 % for "
      "{}\n",
      all.factor, all.rows, all.near, all.within_two, 100 * all.memory, all.near_memory);
  if (all.compared > 0)
    text += fmt::format(
        "plans are ordered as they run with a rank correlation of {:.2f} in the median; the "
        "optimizer's is within 5 % of the fastest for {} of {} programs\n",
        all.correlation, all.fast, all.compared);
  return text + problems;
}

nlohmann::json json_of(const std::vector<PlanRow>& rows) {
  nlohmann::json list = nlohmann::json::array();
  for (const PlanRow& row : rows) {
    nlohmann::json object = {{"name", row.name}};
    if (!row.problem.empty()) {
      object["problem"] = row.problem;
    } else {
      object.update(json_of(row.ours));
      for (const PlanTiming& other : row.others) object["others"].push_back(json_of(other));
      if (!row.others.empty()) {
        object["rank_correlation"] = row.rank_correlation();
        object["fastest_over_ours"] = row.over_fastest();
      }
    }
    list.push_back(object);
  }
  const Summary all = summary_of(rows);
  nlohmann::json summary = {{"programs", all.rows},
                            {"median_factor", all.factor},
                            {"within_15_percent", all.near},
                            {"within_two", all.within_two},
                            {"median_memory_error", all.memory},
                            {"memory_within_3_percent", all.near_memory}};
  if (all.compared > 0) {
    summary["compared"] = all.compared;
    summary["median_rank_correlation"] = all.correlation;
    summary["within_5_percent_of_fastest"] = all.fast;
  }
  return {{"rows", list}, {"summary", summary}};
}

}  // namespace tessera
