#include "placement/compare.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/units.h"
#include "placement/network.h"
#include "placement/table.h"

namespace tessera {
namespace {

constexpr const char* kComputing = "computing";

std::string nest_text(const Plan& plan, const NestDecision& nest) {
  std::vector<std::string> parts;
  for (int axis = 0; axis < plan.mesh.count(); ++axis)
    parts.push_back(plan.mesh.name(axis) + "=" +
                    describe(nest.assignment.axes[static_cast<size_t>(axis)]));
  return join(parts);
}

// Lists the decisions of both by what they are about, and makes a plan with one of them.
class Comparison {
 public:
  Comparison(const ProgramRules& rules, const Plan& a, const Plan& b, const Prices& prices,
             size_t most)
      : rules_(rules),
        a_(a),
        b_(b),
        prices_(prices),
        left_(a.mesh == b.mesh && a.recomputed == b.recomputed ? most : 0) {
    if (left_ > 0) before_ = objective_of(rules, a, prices).seconds();
  }

  std::vector<PlanDifference> run() {
    compare_recomputed();
    std::map<std::string, const NestDecision*> others;
    for (const NestDecision& nest : b_.nests) others.emplace(nest.nest, &nest);
    for (size_t n = 0; n < a_.nests.size(); ++n) {
      const auto other = others.find(a_.nests[n].nest);
      if (other == others.end()) continue;  // computed again
      if (a_.mesh == b_.mesh && a_.nests[n].assignment == other->second->assignment) continue;
      add("nest " + a_.nests[n].nest, nest_text(a_, a_.nests[n]), nest_text(b_, *other->second),
          [&](Plan& plan) { plan.nests[n] = *other->second; });
    }
    compare_storage("is kept", &Plan::stored);
    compare_storage("is returned", &Plan::outputs);
    compare_held();
    return std::move(found_);
  }

 private:
  template <typename Change>
  void add(const std::string& what, const std::string& a, const std::string& b,
           const Change& change) {
    if (a == b) return;
    found_.push_back({what, a, b, std::nullopt});
    if (left_ == 0) return;
    --left_;
    Plan mixed = a_;
    change(mixed);
    const double seconds = objective_of(rules_, mixed, prices_).seconds();
    if (seconds < kForbidden) found_.back().seconds = seconds - before_;
  }

  void compare_storage(const std::string& how, std::vector<StorageDecision> Plan::*list) {
    for (size_t i = 0; i < (a_.*list).size(); ++i) {
      const StorageDecision& one = (a_.*list)[i];
      const StorageDecision& other = (b_.*list)[i];
      add(one.tensor + " " + how, describe(one.stored, one.dims, a_.mesh),
          describe(other.stored, other.dims, b_.mesh),
          [&](Plan& plan) { (plan.*list)[i] = other; });
    }
  }

  void compare_recomputed() {
    const auto texts = [](const Plan& plan) {
      std::map<std::string, std::string> result;
      for (const Recomputation& each : plan.recomputed)
        result.emplace(each.tensor, "again for " + each.from);
      return result;
    };
    const std::map<std::string, std::string> a = texts(a_), b = texts(b_);
    std::map<std::string, std::string> all = a;
    all.insert(b.begin(), b.end());
    const auto text = [](const auto& of, const std::string& name) {
      const auto it = of.find(name);
      return it == of.end() ? std::string("once") : it->second;
    };
    for (const auto& [name, any] : all)
      add(name + " is computed", text(a, name), text(b, name), [](Plan&) {});
  }

  using Held = std::map<std::pair<std::string, int>, const HeldDecision*>;
  static Held held_of(const Plan& plan) {
    Held held;
    for (const HeldDecision& one : plan.held) held.emplace(std::pair(one.tensor, one.loops), &one);
    return held;
  }
  static std::string held_text(const HeldDecision* held, const Plan& plan) {
    return held == nullptr ? "as it is made" : describe(held->form, held->dims, plan.mesh);
  }

  void compare_held() {
    const Held a = held_of(a_), b = held_of(b_);
    Held all = a;
    all.insert(b.begin(), b.end());
    for (const auto& [key, any] : all) {
      const auto in_a = a.find(key), in_b = b.find(key);
      const HeldDecision* one = in_a == a.end() ? nullptr : in_a->second;
      const HeldDecision* other = in_b == b.end() ? nullptr : in_b->second;
      add(key.first + " is held", held_text(one, a_), held_text(other, b_), [&](Plan& plan) {
        std::erase_if(plan.held, [&](const HeldDecision& held) {
          return held.tensor == key.first && held.loops == key.second;
        });
        if (other != nullptr) plan.held.push_back(*other);
      });
    }
  }

  const ProgramRules& rules_;
  const Plan& a_;
  const Plan& b_;
  const Prices& prices_;
  size_t left_;
  double before_ = 0;
  std::vector<PlanDifference> found_;
};

}  // namespace

std::map<std::string, double> seconds_by_kind(const Prediction& predicted) {
  std::map<std::string, double> seconds = {{kComputing, predicted.compute_seconds}};
  for (const Prediction::Collective& each : predicted.collectives)
    seconds[each.kind] += each.seconds;
  return seconds;
}

std::map<std::string, int64_t> bytes_by_kind(const Prediction& predicted) {
  std::map<std::string, int64_t> bytes;
  for (const Prediction::Collective& each : predicted.collectives) bytes[each.kind] += each.bytes;
  return bytes;
}

std::string why_not(const Prediction& taken, const Prediction& other, double bound, double memory) {
  if (static_cast<double>(other.peak_bytes) > memory)
    return fmt::format("needs {} of {}", human_bytes(other.peak_bytes),
                       human_bytes(static_cast<int64_t>(memory)));
  if (other.seconds <= taken.seconds * (1 + 1e-9)) return "is as fast";
  std::vector<std::pair<double, std::string>> more;
  const auto ours = seconds_by_kind(taken);
  for (const auto& [kind, seconds] : seconds_by_kind(other)) {
    const auto it = ours.find(kind);
    const double longer = seconds - (it == ours.end() ? 0 : it->second);
    if (longer > 1e-3 * (other.seconds - taken.seconds)) more.emplace_back(longer, kind);
  }
  std::sort(more.rbegin(), more.rend());
  std::vector<std::string> parts;
  for (const auto& [seconds, kind] : more)
    parts.push_back(parts.empty() ? kind + " takes " + human_seconds(seconds) + " more"
                                  : kind + " " + human_seconds(seconds));
  if (bound > taken.seconds * (1 + 1e-9))
    parts.push_back("and no plan on this mesh takes less than " + human_seconds(bound));
  return join(parts);
}

std::string print(const std::vector<Alternative>& alternatives, const Prediction& taken) {
  std::vector<std::vector<std::string>> rows = {
      {"alternative", "mesh", "time", "more", "memory", "its parts, and why it was not taken"}};
  for (const Alternative& each : alternatives) {
    std::vector<std::string> parts;
    const std::map<std::string, int64_t> bytes = bytes_by_kind(each.predicted);
    for (const auto& [kind, seconds] : seconds_by_kind(each.predicted)) {
      const auto moved = bytes.find(kind);
      parts.push_back(kind + " " + human_seconds(seconds) +
                      (moved == bytes.end() ? "" : " (" + human_bytes(moved->second) + ")"));
    }
    rows.push_back({each.name, print(each.mesh), human_seconds(each.predicted.seconds),
                    fmt::format("{:.3g}%", 100 * (each.predicted.seconds / taken.seconds - 1)),
                    human_bytes(each.predicted.peak_bytes), join(parts) + ": " + each.why});
  }
  return aligned(rows, {2, 3, 4});
}

std::vector<PlanDifference> differences(const ProgramRules& rules, const Plan& a, const Plan& b,
                                        const Prices& prices, size_t most) {
  return Comparison(rules, a, b, prices, most).run();
}

}  // namespace tessera
