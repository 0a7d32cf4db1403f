#include "placement/alternatives.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/units.h"
#include "placement/eliminate.h"

namespace tessera {
namespace {

constexpr int64_t kMostOperations = 300'000'000;  // about half a second

class Explainer {
 public:
  Explainer(const MeshRequest& request, Plan& plan)
      : request_(request),
        plan_(plan),
        placement_(build_network(inputs_of(request))),
        left_(std::min<int64_t>(request.operations, kMostOperations)) {
    auto values = values_of(placement_, plan, request.rules, request.prices.distances);
    TESSERA_CHECK(values.has_value());
    values_ = *values;
    placement_.network = merge_parallel_edges(placement_.network);
    elimination_ = plan_elimination(placement_.network, size_t{1} << 22, left_);
    cost_ = cost_of(placement_.network, values_);
  }

  void run() {
    for (size_t i = 0; i < plan_.stored.size(); ++i)
      explain_form(placement_.stored[i], plan_.stored[i]);
    for (size_t i = 0; i < plan_.outputs.size(); ++i)
      explain_form(placement_.outputs[i], plan_.outputs[i]);
    for (size_t n = 0; n < plan_.nests.size(); ++n) {
      const auto& nest = placement_.nests[n];
      Provenance& chosen = plan_.nests[n].chosen;
      if (by_user(plan_.nests[n].nest, chosen)) continue;
      chosen = by_optimizer(nest.variable,
                            [&](int32_t value) { return describe_choices(nest.choices[value]); });
    }
  }

 private:
  void explain_form(const PlacementNetwork::FormVariable& form, StorageDecision& decision) {
    if (by_user(form.name, decision.chosen)) return;
    decision.chosen = by_optimizer(form.variable, [&](int32_t value) {
      return describe(form.forms[value], decision.dims, plan_.mesh);
    });
  }

  bool by_user(const std::string& name, Provenance& chosen) const {
    std::vector<std::string> texts;
    for (const Pin& pin : request_.pins) {
      if (pin.tensor != name) continue;
      texts.push_back(pin.dim + ": " + pin.axis);
      chosen.where = pin.where;
    }
    if (texts.empty()) return false;
    chosen.by = ChosenBy::user;
    chosen.why = "pinned to " + join(texts);
    return true;
  }

  std::string describe_choices(const Assignment& assignment) const {
    std::vector<std::string> parts;
    for (int axis = 0; axis < plan_.mesh.count(); ++axis)
      parts.push_back(plan_.mesh.name(axis) + "=" + describe(assignment.axes[axis]));
    return join(parts);
  }

  Provenance by_optimizer(int32_t variable,
                          const std::function<std::string(int32_t)>& describe_value) {
    Provenance chosen{ChosenBy::optimizer, "", {}};
    if (placement_.network.domain(variable) == 1) {
      chosen.why = "the only way";
      return chosen;
    }
    if (!elimination_ || left_ < elimination_->operations) {
      chosen.why = "part of the fastest plan found";
      return chosen;
    }
    left_ -= elimination_->operations;
    std::vector<double> costs = placement_.network.costs;
    costs[placement_.network.first[variable] + values_[variable]] = kForbidden;
    Minimum other = minimise(placement_.network, *elimination_, costs);
    if (other.cost == kForbidden) {
      chosen.why = "the only way";
      return chosen;
    }
    double more = other.cost - cost_;
    std::string text = describe_value(other.values[variable]);
    if (more <= 1e-9 * cost_)
      chosen.why = fmt::format("{} costs no more", text);
    else
      chosen.why =
          fmt::format("{} costs {} more ({:.3g}%)", text, human_seconds(more), 100 * more / cost_);
    return chosen;
  }

  const MeshRequest& request_;
  Plan& plan_;
  PlacementNetwork placement_;
  Values values_;
  double cost_ = 0;
  int64_t left_;
  std::optional<Elimination> elimination_;
};

}  // namespace

void explain_choices(const MeshRequest& request, Plan& plan) {
  Explainer(request, plan).run();
}

}  // namespace tessera
