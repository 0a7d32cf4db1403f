#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "launcher/bench/suite.h"
#include "launcher/commands/execution.h"

namespace tessera {

// A plan's step: what planning expects of it, and what it takes.
struct PlanTiming {
  std::string mesh;
  std::string hash;
  double predicted = 0;       // seconds
  double measured = 0;        // in the median
  int64_t planned_bytes = 0;  // that the plan says a rank holds at most
  int64_t held_bytes = 0;     // that rank 0 holds

  // Predicted over measured, or the other way round, whichever is above 1.
  double factor() const;
  // By how much the bytes planned differ from those held, of those held.
  double memory_error() const;
};

// One program: the optimizer's plan, and others that were drawn at random.
struct PlanRow {
  std::string name;
  PlanTiming ours;
  std::vector<PlanTiming> others;
  std::string problem;  // why there is nothing else

  // Spearman's, of predicted and measured times over all plans; 1 where they order them alike.
  double rank_correlation() const;
  // The fastest plan's time over ours.
  double over_fastest() const;
};

struct PlanTimingSettings {
  ExecutionArguments execution;
  double seconds = 0.2;  // of each plan
  int others = 0;        // random plans of each program
};

// Plans the row's program for the ranks of `world`, on the mesh that the settings name, or on any,
// and times steps of that plan and of the others. A row that fails says why. Together; predictions
// are on rank 0 only.
PlanRow time_plans(const SuiteRow& row, const PlanTimingSettings& settings, Communicator& world);

// A table for people, and its last line: the median factor, how many rows are within 15 % and
// within a factor of two, and how far planned memory is from what is held; and with other plans the
// median correlation, and how often ours is within 5 % of the fastest.
std::string text_of(const std::vector<PlanRow>& rows);
nlohmann::json json_of(const std::vector<PlanRow>& rows);

}  // namespace tessera
