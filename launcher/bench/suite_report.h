#pragma once

#include "launcher/bench/run_suite.h"

namespace tessera {

// The number that a row is judged by: the time of the fastest other over ours. Above 1, Tessera is
// faster; beside a limit of the machine, it is the share of it that is reached. Nothing where there
// is no other.
std::optional<double> score_of(const RowResult& row);

// Of all rows with a score.
struct SuiteScore {
  int rows = 0;
  double mean = 0;  // geometric
  double worst = 0;
  std::string worst_row;
};
SuiteScore score_of(const SuiteResult& result);

// A table for people: each contender's median, the score, time to plan and compile, memory.
std::string text_of(const SuiteResult& result);
nlohmann::json json_of(const SuiteResult& result);

// All kernels of all rows, for the accuracy of the model.
std::vector<KernelReport> kernels_of(const std::vector<SuiteResult>& results);

// Every problem once: peers that are missing and how to get them, rows that failed.
std::string problems_text(const std::vector<SuiteResult>& results);

// Does some row have no time, or values that differ from a peer's?
bool any_failed(const std::vector<SuiteResult>& results);

}  // namespace tessera
