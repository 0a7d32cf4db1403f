#include <algorithm>

#include "placement/build_network.h"

namespace tessera {
namespace {

// The number of `form`, or -1.
int32_t value_of(const FormDomain& domain, const Sharding& form) {
  const auto it = std::find(domain.forms.begin(), domain.forms.end(), form);
  return it == domain.forms.end() ? -1 : static_cast<int32_t>(it - domain.forms.begin());
}

// To hold something as a partial sum that was not made so is to hold it whole.
Sharding without_more_partial(Sharding form, const Sharding& made) {
  std::erase_if(form.partial, [&](int axis) {
    return std::find(made.partial.begin(), made.partial.end(), axis) == made.partial.end();
  });
  return form;
}

}  // namespace

Plan plan_of(const PlacementNetwork& placement, const Values& values, const ProgramRules& rules,
             const Mesh& mesh) {
  const Skeleton& skeleton = *placement.skeleton;
  Plan plan;
  plan.program = rules.program.name();
  plan.mesh = mesh;
  const auto value = [&](int32_t v) { return static_cast<size_t>(values[static_cast<size_t>(v)]); };
  const auto form = [&](int32_t v) -> const Sharding& {
    return placement.forms[static_cast<size_t>(v)]->forms[value(v)];
  };
  std::map<Tensor, Sharding> made;
  for (size_t n = 0; n < rules.nests.size(); ++n) {
    const int32_t v = skeleton.nests[n];
    const std::vector<int>& choices = placement.nests[static_cast<size_t>(v)]->choices[value(v)];
    const Tensor& out = rules.nests[n].nest().out;
    plan.nests.push_back({out.name(), assignment_of(rules, n, choices), Provenance{}});
    made.emplace(out, rules.nests[n].result_sharding(plan.nests.back().assignment));
  }
  const std::vector<Tensor>& tensors = rules.program.tensors();
  for (const auto& [t, v] : skeleton.stored) {
    plan.stored.push_back({tensors[t].name(), names(tensors[t].dims()), form(v), Provenance{}});
    made.emplace(tensors[t], form(v));
  }
  for (size_t o = 0; o < rules.program.outputs().size(); ++o) {
    const Output& output = rules.program.outputs()[o];
    plan.outputs.push_back(
        {output.name, names(output.value.dims()), form(skeleton.outputs[o]), Provenance{}});
  }
  for (const auto& [key, v] : skeleton.held) {
    const auto [t, loops] = key;
    const Scope& scope = rules.scopes.of(tensors[t]);
    const Sharding held = without_more_partial(
        outside(form(v), Scope(scope.begin(), scope.begin() + static_cast<std::ptrdiff_t>(loops))),
        made.at(tensors[t]));
    if (!(held == made.at(tensors[t])))
      plan.held.push_back(
          {tensors[t].name(), names(tensors[t].dims()), held, static_cast<int>(loops)});
  }
  return plan;
}

namespace {

class Reader {
 public:
  Reader(const PlacementNetwork& placement, const Plan& plan, const ProgramRules& rules,
         const Mesh& mesh)
      : placement_(placement),
        skeleton_(*placement.skeleton),
        plan_(plan),
        rules_(rules),
        mesh_(mesh),
        values_(placement.network.size(), -1) {}

  std::optional<Values> run() {
    std::map<std::string, const Assignment*> assignments;
    for (const NestDecision& nest : plan_.nests) assignments.emplace(nest.nest, &nest.assignment);
    for (size_t n = 0; n < rules_.nests.size(); ++n) {
      const Tensor& out = rules_.nests[n].nest().out;
      const Assignment& assignment = *assignments.at(out.name());
      made_.emplace(out, rules_.nests[n].result_sharding(assignment));
      set(skeleton_.nests[n], nest_value(n, assignment));
    }
    const std::vector<Tensor>& tensors = rules_.program.tensors();
    std::map<std::string, const Sharding*> kept;
    for (const StorageDecision& stored : plan_.stored) kept.emplace(stored.tensor, &stored.stored);
    for (const auto& [t, v] : skeleton_.stored) {
      const Sharding& form = *kept.at(tensors[t].name());
      made_.emplace(tensors[t], form);
      set(v, value_of(domain(v), form));
    }
    for (size_t o = 0; o < rules_.program.outputs().size(); ++o) {
      const int32_t v = skeleton_.outputs[o];
      set(v, value_of(domain(v), plan_.output(rules_.program.outputs()[o].name).stored));
    }
    read_held();
    if (bad_ || std::find(values_.begin(), values_.end(), -1) != values_.end()) return std::nullopt;
    return std::move(values_);
  }

 private:
  const FormDomain& domain(int32_t v) const { return *placement_.forms[static_cast<size_t>(v)]; }

  void set(int32_t v, int32_t value) {
    int32_t& known = values_[static_cast<size_t>(v)];
    bad_ = bad_ || value < 0 || (known >= 0 && known != value);
    known = value;
  }

  // A choice that asks for the same and gives the same.
  int32_t nest_value(size_t n, const Assignment& assignment) const {
    const NestDomain& domain = *placement_.nests[static_cast<size_t>(skeleton_.nests[n])];
    std::vector<int> choices;
    for (const Choice& choice : assignment.axes) {
      const auto it = std::find(rules_.choices[n].begin(), rules_.choices[n].end(), choice);
      choices.push_back(static_cast<int>(it - rules_.choices[n].begin()));
    }
    const auto it = std::find(domain.choices.begin(), domain.choices.end(), choices);
    if (it != domain.choices.end() && assignment.order.empty())
      return static_cast<int32_t>(it - domain.choices.begin());
    for (size_t x = 0; x < domain.size(); ++x)
      if (alike(n, assignment, assignment_of(rules_, n, domain.choices[x])))
        return static_cast<int32_t>(x);
    return -1;
  }

  bool alike(size_t n, const Assignment& a, const Assignment& b) const {
    const NestRules& nest = rules_.nests[n];
    if (!(nest.result_sharding(a) == nest.result_sharding(b))) return false;
    for (size_t k = 0; k < nest.operands().size(); ++k) {
      if (!(nest.operand_sharding(k, a) == nest.operand_sharding(k, b))) return false;
      const auto of_a = halo_demand(nest, k, a, mesh_), of_b = halo_demand(nest, k, b, mesh_);
      if (of_a.has_value() != of_b.has_value()) return false;
      if (of_a && !(of_a->base == of_b->base && of_a->windows == of_b->windows)) return false;
    }
    return true;
  }

  void read_held() {
    const std::vector<Tensor>& tensors = rules_.program.tensors();
    std::map<std::pair<std::string, size_t>, const Sharding*> decided;
    for (const HeldDecision& held : plan_.held)
      decided.emplace(std::make_pair(held.tensor, static_cast<size_t>(held.loops)), &held.form);
    for (const auto& [key, v] : skeleton_.held) {
      const auto [t, loops] = key;
      const Scope& scope = rules_.scopes.of(tensors[t]);
      const auto it = decided.find({tensors[t].name(), loops});
      const Sharding& form = it == decided.end() ? made_.at(tensors[t]) : *it->second;
      set(v, value_of(domain(v),
                      within(form, Scope(scope.begin(),
                                         scope.begin() + static_cast<std::ptrdiff_t>(loops)))));
    }
  }

  const PlacementNetwork& placement_;
  const Skeleton& skeleton_;
  const Plan& plan_;
  const ProgramRules& rules_;
  const Mesh& mesh_;
  Values values_;
  std::map<Tensor, Sharding> made_;
  bool bad_ = false;
};

}  // namespace

std::optional<Values> values_of(const PlacementNetwork& placement, const Plan& plan,
                                const ProgramRules& rules, const Mesh& mesh) {
  return Reader(placement, plan, rules, mesh).run();
}

}  // namespace tessera
