#include "placement/alternatives.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/units.h"
#include "placement/eliminate.h"

namespace tessera {
namespace {

class Explainer {
 public:
  Explainer(const MeshRequest& request, int64_t operations, Plan& plan)
      : request_(request), plan_(plan), left_(operations) {
    const bool alone =
        std::all_of(request.skeleton.variables.begin(), request.skeleton.variables.end(),
                    [](const Skeleton::Variable& variable) { return variable.copies == 1; });
    if (!alone) return;
    NetworkInputs inputs = inputs_of(request);
    inputs.all_choices = true;
    placement_ = build_network(inputs);
    const auto values = values_of(*placement_, plan, request.rules, request.mesh);
    TESSERA_CHECK(values.has_value());
    values_ = *values;
    placement_->network = merge_parallel_edges(placement_->network);
    elimination_ = plan_elimination(placement_->network, size_t{1} << 22, left_);
    cost_ = cost_of(placement_->network, values_);
  }

  void run() {
    const Skeleton& skeleton = request_.skeleton;
    size_t at = 0;
    for (const auto& [t, v] : skeleton.stored) explain_form(v, plan_.stored[at++]);
    for (size_t o = 0; o < plan_.outputs.size(); ++o)
      explain_form(skeleton.outputs[o], plan_.outputs[o]);
    for (size_t n = 0; n < plan_.nests.size(); ++n) {
      Provenance& chosen = plan_.nests[n].chosen;
      if (by_user(plan_.nests[n].nest, chosen)) continue;
      const int32_t v = skeleton.nests[n];
      chosen = by_optimizer(v, [&](size_t value) {
        return describe_choices(assignment_of(
            request_.rules, n, placement_->nests[static_cast<size_t>(v)]->choices[value]));
      });
    }
  }

 private:
  void explain_form(int32_t v, StorageDecision& decision) {
    if (by_user(decision.tensor, decision.chosen)) return;
    decision.chosen = by_optimizer(v, [&](size_t value) {
      return describe(placement_->forms[static_cast<size_t>(v)]->forms[value], decision.dims,
                      plan_.mesh);
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
      parts.push_back(plan_.mesh.name(axis) + "=" +
                      describe(assignment.axes[static_cast<size_t>(axis)]));
    return join(parts);
  }

  Provenance by_optimizer(int32_t variable,
                          const std::function<std::string(size_t)>& describe_value) {
    Provenance chosen{ChosenBy::optimizer, "", {}};
    if (placement_ && placement_->network.domain(variable) == 1) {
      chosen.why = "the only way";
      return chosen;
    }
    if (!elimination_ || left_ < elimination_->operations) {
      chosen.why = "part of the fastest plan found";
      return chosen;
    }
    left_ -= elimination_->operations;
    const Network& network = placement_->network;
    std::vector<double> costs = network.costs;
    const auto v = static_cast<size_t>(variable);
    costs[network.first[v] + static_cast<size_t>(values_[v])] = kForbidden;
    const Minimum other = minimise(network, *elimination_, costs);
    if (other.cost == kForbidden) {
      chosen.why = "the only way";
      return chosen;
    }
    const double more = other.cost - cost_;
    const std::string text = describe_value(static_cast<size_t>(other.values[v]));
    if (more <= 1e-9 * cost_)
      chosen.why = fmt::format("{} costs no more", text);
    else
      chosen.why =
          fmt::format("{} costs {} more ({:.3g}%)", text, human_seconds(more), 100 * more / cost_);
    return chosen;
  }

  const MeshRequest& request_;
  Plan& plan_;
  std::optional<PlacementNetwork> placement_;
  Values values_;
  double cost_ = 0;
  int64_t left_;
  std::optional<Elimination> elimination_;
};

}  // namespace

void explain_choices(const MeshRequest& request, int64_t operations, Plan& plan) {
  Explainer(request, operations, plan).run();
}

}  // namespace tessera
