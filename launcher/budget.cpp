#include "launcher/budget.h"

#include <algorithm>

#include "base/error.h"
#include "base/units.h"

namespace tessera {
namespace {

constexpr size_t kNamed = 3;

// "all-reduce of `d_w` 2.00 MiB, all-gather of `w` 1.00 MiB and 4 more"
std::string largest(const Prediction& predicted) {
  std::vector<const Prediction::Collective*> order;
  for (const Prediction::Collective& each : predicted.collectives) order.push_back(&each);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return a->bytes > b->bytes; });
  std::vector<std::string> parts;
  for (size_t i = 0; i < order.size() && i < kNamed; ++i)
    parts.push_back(order[i]->kind + " of `" + order[i]->tensor + "` " +
                    human_bytes(order[i]->bytes));
  const size_t rest = order.size() - parts.size();
  return join(parts) + (rest == 0 ? "" : " and " + std::to_string(rest) + " more");
}

}  // namespace

std::vector<BudgetLine> budget_of(const Config& config, const Prediction& predicted) {
  std::vector<BudgetLine> lines;
  const auto add = [&](const std::string& key, double allowed, double found,
                       const std::string& allowed_text, const std::string& found_text) {
    const std::string path = "plan.budget." + key;
    const auto origin = config.origins.find(path);
    lines.push_back({key, allowed, found,
                     "`" + path + "` is " + allowed_text + ", and " + found_text,
                     origin == config.origins.end() ? SourceLocation() : origin->second});
  };
  const BudgetConfig& budget = config.plan.budget;
  if (budget.time)
    add("time", *budget.time, predicted.seconds, human_seconds(*budget.time),
        "a step takes " + human_seconds(predicted.seconds) + " (" +
            human_seconds(predicted.compute_seconds) + " computing)");
  if (budget.communication) {
    int64_t bytes = 0;
    for (const Prediction::Collective& each : predicted.collectives) bytes += each.bytes;
    add("communication", static_cast<double>(*budget.communication), static_cast<double>(bytes),
        human_bytes(*budget.communication),
        "a device moves " + human_bytes(bytes) + " in a step" +
            (bytes == 0 ? "" : ": " + largest(predicted)));
  }
  if (budget.memory)
    add("memory", static_cast<double>(*budget.memory), static_cast<double>(predicted.peak_bytes),
        human_bytes(*budget.memory), "a device holds " + human_bytes(predicted.peak_bytes));
  return lines;
}

void check_budget(const std::vector<BudgetLine>& lines) {
  std::vector<std::string> exceeded;
  SourceLocation where;
  for (const BudgetLine& line : lines) {
    if (!line.exceeded()) continue;
    if (exceeded.empty()) where = line.where;
    exceeded.push_back(line.text);
  }
  if (exceeded.empty()) return;
  throw UserError(where, "the plan exceeds its budget: " + join(exceeded, "; ") +
                             ". Allow more, or change the program, the mesh or the devices; "
                             "`tessera plan --alternatives 5` shows what others would cost");
}

}  // namespace tessera
