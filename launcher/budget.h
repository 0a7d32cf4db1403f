#pragma once

#include <string>
#include <vector>

#include "launcher/config.h"
#include "partition/plan.h"

namespace tessera {

// What a plan costs of something that a config allows so much of.
//
//   plan: {budget: {communication: 1MiB}}  ->  {"communication", 1048576, 3355443, "3.20 MiB", …}
struct BudgetLine {
  std::string key;  // time (seconds), communication, memory (bytes per device and step)
  double allowed = 0;
  double found = 0;
  std::string text;  // "`plan.budget.communication` is 1.00 MiB, and a device moves 3.20 MiB …"
  SourceLocation where;

  bool exceeded() const { return found > allowed; }
};

// A line for each budget that the config has.
std::vector<BudgetLine> budget_of(const Config& config, const Prediction& predicted);

// Throws a UserError that says of each budget that is exceeded what was found and what takes most.
void check_budget(const std::vector<BudgetLine>& lines);

}  // namespace tessera
