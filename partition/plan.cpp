#include "partition/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"

namespace tessera {
namespace {

using Row = std::vector<std::string>;

// Columns of equal width, two spaces apart.
std::string table(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line = " ";
    for (size_t i = 0; i < row.size(); ++i) line += fmt::format(" {:<{}} ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string chosen_text(const Provenance& chosen) {
  std::string text = name_of(chosen.by);
  if (!chosen.why.empty()) text += ": " + chosen.why;
  if (chosen.where.known()) text += " (" + chosen.where.str() + ")";
  return text;
}

std::string nests_table(const Plan& plan) {
  std::vector<Row> rows{{"nest"}};
  for (const Axis& axis : plan.mesh.axes) rows[0].push_back(axis.name);
  rows[0].push_back("chosen by");
  for (const NestDecision& nest : plan.nests) {
    Row row{nest.nest};
    for (const Choice& choice : nest.assignment.axes) row.push_back(describe(choice));
    std::string chosen = chosen_text(nest.chosen);
    if (!nest.assignment.order.empty())
      chosen += ", split in the order " + join(plan.mesh.names(nest.assignment.order));
    row.push_back(chosen);
    rows.push_back(row);
  }
  return table(rows);
}

std::string storage_table(const char* title, const std::vector<StorageDecision>& list,
                          const Mesh& mesh) {
  std::vector<Row> rows{{title, "kept as", "chosen by"}};
  for (const StorageDecision& storage : list)
    rows.push_back({storage.tensor, describe(storage.stored, storage.dims, mesh),
                    chosen_text(storage.chosen)});
  return table(rows);
}

std::string held_table(const Plan& plan) {
  std::vector<Row> rows{{"held", "as"}};
  for (const HeldDecision& held : plan.held)
    rows.push_back({held.tensor, describe(held.form, held.dims, plan.mesh)});
  return table(rows);
}

std::string recomputed_table(const Plan& plan) {
  std::vector<Row> rows{{"computed again", "for"}};
  for (const Recomputation& each : plan.recomputed) rows.push_back({each.tensor, each.from});
  return table(rows);
}

std::string prediction_text(const Prediction& predicted) {
  std::string text = fmt::format(
      "  predicted {:.3f} ms (bound {:.3f} ms, gap {:.1f} %), peak {:.1f} MB per device\n",
      predicted.seconds * 1e3, predicted.lower_bound_seconds * 1e3, predicted.gap * 100,
      static_cast<double>(predicted.peak_bytes) / 1e6);
  std::vector<Row> rows;
  for (const Prediction::Collective& one : predicted.collectives)
    rows.push_back({one.kind, "over " + one.axes, one.tensor,
                    fmt::format("{:.3f} MB", static_cast<double>(one.bytes) / 1e6),
                    fmt::format("{:.3f} ms", one.seconds * 1e3)});
  return text + table(rows);
}

template <typename Decision>
const Decision& find(const std::vector<Decision>& list, const std::string& name,
                     std::string Decision::*key) {
  const auto it = std::find_if(list.begin(), list.end(),
                               [&](const Decision& decision) { return decision.*key == name; });
  TESSERA_CHECK(it != list.end()) << "the plan does not decide `" << name << "`";
  return *it;
}

}  // namespace

const char* name_of(ChosenBy by) {
  switch (by) {
    case ChosenBy::rule:
      return "rule";
    case ChosenBy::user:
      return "user";
    case ChosenBy::optimizer:
      return "optimizer";
  }
  return "";
}

bool Provenance::operator==(const Provenance& other) const {
  return by == other.by && why == other.why && where.file == other.where.file &&
         where.line == other.where.line && where.column == other.where.column;
}

const NestDecision& Plan::nest(const std::string& name) const {
  return find(nests, name, &NestDecision::nest);
}

const StorageDecision& Plan::storage(const std::string& tensor) const {
  return find(stored, tensor, &StorageDecision::tensor);
}

const StorageDecision& Plan::output(const std::string& name) const {
  return find(outputs, name, &StorageDecision::tensor);
}

Program planned_program(const Program& normal, const Plan& plan) {
  return recomputing(normal, plan.recomputed).program;
}

std::string print(const Plan& plan) {
  std::string text = fmt::format("plan {} of {}, mesh {} ({} rank{})\n", plan_hash(plan),
                                 plan.program, plan.mesh.axes.empty() ? "-" : print(plan.mesh),
                                 plan.mesh.ranks(), plan.mesh.ranks() == 1 ? "" : "s");
  if (plan.predicted != Prediction{}) text += prediction_text(plan.predicted);
  text += nests_table(plan);
  if (!plan.stored.empty()) text += storage_table("stored", plan.stored, plan.mesh);
  if (!plan.outputs.empty()) text += storage_table("output", plan.outputs, plan.mesh);
  if (!plan.held.empty()) text += held_table(plan);
  if (!plan.recomputed.empty()) text += recomputed_table(plan);
  return text;
}

std::string decisions_text(const Plan& plan) {
  Plan decisions = plan;
  decisions.predicted = {};
  for (NestDecision& nest : decisions.nests) nest.chosen = {};
  for (StorageDecision& storage : decisions.stored) storage.chosen = {};
  for (StorageDecision& storage : decisions.outputs) storage.chosen = {};
  return to_text(decisions);
}

std::string plan_hash(const Plan& plan) {
  return hex(hash_bytes(decisions_text(plan)));
}

}  // namespace tessera
