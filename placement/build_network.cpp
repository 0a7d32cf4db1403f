#include "placement/build_network.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/error.h"
#include "placement/condition_cost.h"
#include "placement/first_rank.h"
#include "placement/useful_choices.h"

namespace tessera {

double KernelTimes::of(const NestRules& rules, const Assignment& assignment, const Mesh& mesh,
                       const Scopes& scopes) {
  auto key = std::make_pair(rules.nest().out.id(), first_rank_extents(rules, assignment, mesh));
  auto it = known_.find(key);
  if (it != known_.end()) return it->second;
  double seconds = seconds_(first_rank_nest(rules, assignment, mesh, scopes));
  TESSERA_CHECK(seconds >= 0 && seconds < kForbidden)
      << "a kernel of " << rules.nest().out.name() << " takes " << seconds << " s";
  seconds *= static_cast<double>(scopes.times(scopes.of(rules.nest().out)));
  return known_.emplace(std::move(key), seconds).first->second;
}

ProgramRules::ProgramRules(const Program& normal) : program(normal), scopes(normal) {
  for (const Tensor& tensor : tensors_of(scopes.sequence()))
    if (tensor.role() == Role::definition)
      nests.emplace_back(nest_of(tensor), scopes.dims(scopes.of(tensor)));
  choices = useful_choices(nests);
  conditions = conditions_of(program, scopes);
}

namespace {

class Builder {
 public:
  explicit Builder(const NetworkInputs& inputs) : in_(inputs) {}

  PlacementNetwork run() {
    for (const Tensor& tensor : in_.rules.program.tensors())
      if (tensor.role() != Role::definition) add_stored(tensor);
    size_t n = 0;
    for (const Tensor& tensor : tensors_of(in_.rules.scopes.sequence())) {
      if (tensor.role() == Role::definition) {
        in_.report.doing("pricing nest", n + 1, in_.rules.nests.size());
        add_nest(n++);
      } else
        need_first_value(tensor);
    }
    for (const Update& carry : in_.rules.program.carries())
      needed_[carry.value].push_back(
          {scope_of(carry.target), domain_of(carry.target, carry.value)});
    for (const Update& update : in_.rules.program.updates())
      needed_[update.value].push_back({{}, domain_of(update.target, update.value)});
    for (const Output& output : in_.rules.program.outputs()) {
      add_output(output);
      const auto& made = result_.outputs.back();
      needed_[output.value].push_back({{}, {made.variable, demands_of(made.forms)}});
    }
    for (const Tensor& condition : in_.rules.conditions) add_condition(condition);
    add_all_conversions();
    return std::move(result_);
  }

 private:
  // Who needs a tensor, from within a scope: nests (demands are of the part that is converted),
  // what is kept, outputs (demands are of the whole).
  struct Need {
    Scope user;
    DemandDomain domain;
    bool within = false;
  };

  const Scope& scope_of(const Tensor& tensor) const { return in_.rules.scopes.of(tensor); }

  // A tensor is needed as `target` is kept. Their dims may be in another order, and `target` may
  // have some more.
  DemandDomain domain_of(const Tensor& target, const Tensor& tensor) const {
    const auto& kept = result_.stored[source_.at(target).second];
    return {kept.variable, demands_of(as_in(kept, tensor))};
  }

  // What a loop carries is there before it begins.
  void need_first_value(const Tensor& carried) {
    const Tensor initial = as<Read>(carried.value())->tensor;
    needed_[initial].push_back({scope_of(carried), domain_of(carried, initial)});
  }

  const Mesh& mesh() const { return in_.mesh; }

  std::vector<const Pin*> pins_of(const Tensor& tensor) const {
    std::vector<const Pin*> result;
    for (const Pin& pin : in_.pins)
      if (pin.tensor == tensor.name()) result.push_back(&pin);
    return result;
  }

  bool honours_pins(const Tensor& tensor, const Sharding& sharding) const {
    for (const Pin* pin : pins_of(tensor)) {
      std::vector<std::string> dims = names(tensor.dims());
      size_t d = std::find(dims.begin(), dims.end(), pin->dim) - dims.begin();
      const Axes& split = sharding.split[d];
      if (std::find(split.begin(), split.end(), mesh().find(pin->axis)) == split.end())
        return false;
    }
    return true;
  }

  bool pinned(const Tensor& tensor, const std::string& dim, int axis) const {
    for (const Pin* pin : pins_of(tensor))
      if (pin->dim == dim && pin->axis == mesh().name(axis)) return true;
    return false;
  }

  size_t iterated_dims(const Tensor& tensor) const {
    return tensor.role() == Role::carried ? scope_of(tensor).size() : 0;
  }

  int blocks_of(const Axes& axes) const { return mesh().group_size(axes); }

  // Every way to keep a tensor: each axis on one dim or on none. No axis gets what a loop iterates.
  std::vector<Sharding> forms_of(const Tensor& tensor) const {
    std::vector<Sharding> forms = {replicated(tensor)};
    for (int axis = 0; axis < mesh().count(); ++axis) {
      size_t count = forms.size();
      for (size_t f = 0; f < count; ++f)
        for (size_t d = iterated_dims(tensor); d < tensor.dims().size(); ++d) {
          Sharding form = forms[f];
          form.split[d].push_back(axis);
          const Dim& dim = tensor.dims()[d];
          if (blocks_of(form.split[d]) > dim.extent() && !pinned(tensor, dim.name(), axis))
            continue;
          forms.push_back(std::move(form));
        }
    }
    return forms;
  }

  PlacementNetwork::FormVariable form_variable(const std::string& name, const Tensor& tensor,
                                               std::vector<Sharding> forms,
                                               const std::vector<double>& unary) {
    int32_t variable = result_.network.add_variable(unary);
    return {name, tensor, std::move(forms), variable};
  }

  void add_stored(const Tensor& tensor) {
    std::vector<Sharding> forms = forms_of(tensor);
    std::erase_if(forms, [&](const Sharding& form) { return !honours_pins(tensor, form); });
    TESSERA_CHECK(!forms.empty()) << "pins of " << tensor.name() << " clash";
    std::vector<double> unary;
    for (const Sharding& form : forms)
      unary.push_back(tensor.role() == Role::input
                          ? static_cast<double>(local_bytes(shape_of(tensor), form, mesh())) /
                                in_.cluster.device.memory_bandwidth
                          : 0.0);
    source_[tensor] = {false, result_.stored.size()};
    result_.stored.push_back(form_variable(tensor.name(), tensor, std::move(forms), unary));
  }

  void add_output(const Output& output) {
    std::vector<Sharding> forms = forms_of(output.value);
    std::vector<double> unary(forms.size(), 0.0);
    result_.outputs.push_back(form_variable(output.name, output.value, std::move(forms), unary));
  }

  // Does an assignment split some loop, or some table, into more blocks than it has elements?
  bool too_fine(const NestRules& rules, const Assignment& assignment) const {
    const Nest& nest = rules.nest();
    for (const Dim& loop : nest.loops()) {
      Axes axes = rules.loop_axes(loop, assignment);
      if (blocks_of(axes) <= loop.extent()) continue;
      bool all_pinned = std::all_of(axes.begin(), axes.end(),
                                    [&](int axis) { return pinned(nest.out, loop.name(), axis); });
      if (!all_pinned) return true;
    }
    for (size_t k = 0; k < rules.operands().size(); ++k) {
      const Tensor& tensor = rules.operand_tensor(k);
      Sharding sharding = rules.operand_sharding(k, assignment);
      for (size_t d = 0; d < tensor.dims().size(); ++d)
        if (rules.guarded(k, d, assignment) &&
            blocks_of(sharding.split[d]) > tensor.dims()[d].extent())
          return true;
    }
    return false;
  }

  std::vector<Assignment> assignments_of(size_t n) const {
    std::vector<Assignment> result = {Assignment{}};
    for (int axis = 0; axis < mesh().count(); ++axis) {
      std::vector<Assignment> longer;
      for (const Assignment& prefix : result)
        for (const Choice& choice : in_.rules.choices[n]) {
          Assignment next = prefix;
          next.axes.push_back(choice);
          longer.push_back(std::move(next));
        }
      result = std::move(longer);
    }
    const NestRules& rules = in_.rules.nests[n];
    std::erase_if(result, [&](const Assignment& assignment) {
      return too_fine(rules, assignment) ||
             !honours_pins(rules.nest().out, rules.result_sharding(assignment));
    });
    return result;
  }

  // Distinct forms or demands, and which of them each choice has.
  template <typename Form>
  struct Projection {
    std::vector<Form> forms;
    std::vector<int32_t> of_choice;
    int32_t add(Form form) {
      auto it = std::find(forms.begin(), forms.end(), form);
      if (it == forms.end()) it = forms.insert(forms.end(), std::move(form));
      of_choice.push_back(static_cast<int32_t>(it - forms.begin()));
      return of_choice.back();
    }
  };

  void add_nest(size_t n) {
    const NestRules& rules = in_.rules.nests[n];
    size_t operands = rules.operands().size();
    std::vector<Projection<Demand>> needs(operands);
    const Scope& user = scope_of(rules.nest().out);
    std::vector<Scope> scopes;  // in which the operands are converted
    for (size_t k = 0; k < operands; ++k)
      scopes.push_back(common(scope_of(rules.operand_tensor(k)), user));
    Projection<Sharding> results;
    PlacementNetwork::NestVariable nest;
    std::map<std::vector<int32_t>, size_t> seen;  // choices that differ only in time: the fastest
    for (const Assignment& assignment : assignments_of(n)) {
      std::vector<int32_t> key;
      for (size_t k = 0; k < operands; ++k)
        key.push_back(needs[k].add(demand_of(rules, k, assignment, scopes[k], in_.distances)));
      key.push_back(results.add(rules.result_sharding(assignment)));
      double seconds = in_.kernels.of(rules, assignment, mesh(), in_.rules.scopes);
      auto [it, fresh] = seen.emplace(key, nest.choices.size());
      if (fresh) {
        nest.choices.push_back(assignment);
        nest.seconds.push_back(seconds);
        continue;
      }
      for (Projection<Demand>& need : needs) need.of_choice.pop_back();
      results.of_choice.pop_back();
      if (seconds >= nest.seconds[it->second]) continue;
      nest.choices[it->second] = assignment;
      nest.seconds[it->second] = seconds;
    }
    if (nest.choices.empty()) fail_pins(rules.nest().out);
    nest.variable = result_.network.add_variable(nest.seconds);
    for (size_t k = 0; k < operands; ++k) {
      const Tensor& tensor = rules.operand_tensor(k);
      nest.operands.push_back(tie(nest, needs[k]));
      needed_[tensor].push_back({user, {nest.operands.back(), needs[k].forms}, true});
      result_.operands.push_back(
          {tensor, scopes[k], std::move(needs[k].forms), nest.operands.back()});
    }
    nest.result = tie(nest, results);
    const Tensor& out = rules.nest().out;
    source_[out] = {true, result_.results.size()};
    result_.results.push_back({out.name(), out, std::move(results.forms), nest.result});
    result_.nests.push_back(std::move(nest));
  }

  [[noreturn]] void fail_pins(const Tensor& tensor) const {
    const Pin& pin = *pins_of(tensor).front();
    throw UserError(pin.where, "pin: no way to compute `" + tensor.name() + "` has `" + pin.dim +
                                   "` on axis `" + pin.axis +
                                   "` together with its other pins; remove one of them");
  }

  void add_condition(const Tensor& condition) {
    const PlacementNetwork::FormVariable& made = result_.results[source_.at(condition).second];
    Network& network = result_.network;
    for (size_t f = 0; f < made.forms.size(); ++f) {
      const ConditionCost cost = condition_cost(condition, made.forms[f], in_.rules.scopes, mesh(),
                                                in_.kernels.seconds(), in_.distances.cost());
      network.costs[static_cast<size_t>(network.first[made.variable]) + f] +=
          cost.compute + cost.communicate;
    }
  }

  // A variable that the nest's choice fixes.
  template <typename Form>
  int32_t tie(const PlacementNetwork::NestVariable& nest, const Projection<Form>& projection) {
    std::vector<double> none(projection.forms.size(), 0.0);
    int32_t variable = result_.network.add_variable(none);
    std::vector<double> table;
    for (int32_t form : projection.of_choice)
      for (size_t f = 0; f < projection.forms.size(); ++f)
        table.push_back(form == static_cast<int32_t>(f) ? 0.0 : kForbidden);
    result_.network.add_edge(nest.variable, variable, std::move(table));
    return variable;
  }

  // Where a tensor is converted in several scopes, each knows nothing of what the others make.
  void add_all_conversions() {
    const std::vector<Tensor> tensors = in_.rules.program.tensors();
    size_t priced = 0;
    for (const Tensor& tensor : tensors) {
      in_.report.doing("pricing the ways of tensor", ++priced, tensors.size());
      auto [computed, number] = source_.at(tensor);
      const auto& source = computed ? result_.results[number] : result_.stored[number];
      std::map<Scope, std::vector<DemandDomain>> consumers;
      for (const Need& need : needed_[tensor]) {
        const Scope scope = common(scope_of(tensor), need.user);
        DemandDomain domain = need.domain;
        if (!need.within)
          for (Demand& demand : domain.demands) demand.form = within(demand.form, scope);
        consumers[scope].push_back(std::move(domain));
      }
      for (const auto& [scope, domains] : consumers) {
        DemandDomain from{source.variable, demands_of(source.forms)};
        for (Demand& demand : from.demands) demand.form = within(demand.form, scope);
        add_conversions(result_.network, shape_within(tensor, scope),
                        static_cast<double>(in_.rules.scopes.times(scope)), from, domains,
                        in_.distances);
      }
    }
  }

  // The target's forms by the dims of the value, whose order may differ.
  static std::vector<Sharding> as_in(const PlacementNetwork::FormVariable& target,
                                     const Tensor& value) {
    std::vector<Sharding> result;
    for (const Sharding& form : target.forms) {
      Sharding mapped = replicated(value);
      for (size_t d = 0; d < mapped.split.size(); ++d)
        mapped.split[d] = form.split[position(target.tensor.dims(), value.dims()[d])];
      result.push_back(std::move(mapped));
    }
    return result;
  }

  NetworkInputs in_;
  PlacementNetwork result_;
  std::map<Tensor, std::pair<bool, size_t>> source_;  // computed?, and its number
  std::map<Tensor, std::vector<Need>> needed_;
};

}  // namespace

PlacementNetwork build_network(const NetworkInputs& inputs) {
  return Builder(inputs).run();
}

Plan plan_of(const PlacementNetwork& placement, const Values& values, const Program& normal,
             const Mesh& mesh) {
  Plan plan;
  plan.program = normal.name();
  plan.mesh = mesh;
  for (size_t n = 0; n < placement.nests.size(); ++n) {
    const auto& nest = placement.nests[n];
    plan.nests.push_back(
        {placement.results[n].name, nest.choices[values[nest.variable]], Provenance{}});
  }
  auto decide = [&](const PlacementNetwork::FormVariable& form) {
    return StorageDecision{form.name, names(form.tensor.dims()), form.forms[values[form.variable]],
                           Provenance{}};
  };
  for (const auto& form : placement.stored) plan.stored.push_back(decide(form));
  for (const auto& form : placement.outputs) plan.outputs.push_back(decide(form));
  return plan;
}

namespace {

// The number of a form, or -1.
template <typename Form>
int32_t value_of(const std::vector<Form>& forms, const Form& form) {
  auto it = std::find(forms.begin(), forms.end(), form);
  return it == forms.end() ? -1 : static_cast<int32_t>(it - forms.begin());
}

}  // namespace

std::optional<Values> values_of(const PlacementNetwork& placement, const Plan& plan,
                                const ProgramRules& rules, Distances& distances) {
  Values values(placement.network.size(), 0);
  auto set = [&](const PlacementNetwork::FormVariable& variable, const Sharding& form) {
    values[variable.variable] = value_of(variable.forms, form);
  };
  size_t operand = 0;
  for (size_t n = 0; n < placement.nests.size(); ++n) {
    const auto& nest = placement.nests[n];
    const NestRules& nest_rules = rules.nests[n];
    const Assignment& assignment = plan.nest(placement.results[n].name).assignment;
    std::vector<Demand> wanted;
    const size_t first = operand;
    for (size_t k = 0; k < nest.operands.size(); ++k) {
      const auto& variable = placement.operands[operand++];
      wanted.push_back(demand_of(nest_rules, k, assignment, variable.scope, distances));
      values[variable.variable] = value_of(variable.demands, wanted.back());
    }
    Sharding result = nest_rules.result_sharding(assignment);
    set(placement.results[n], result);
    auto same = [&](const Assignment& other) {
      for (size_t k = 0; k < nest.operands.size(); ++k) {
        const Scope& scope = placement.operands[first + k].scope;
        if (!(demand_of(nest_rules, k, other, scope, distances) == wanted[k])) return false;
      }
      return nest_rules.result_sharding(other) == result;
    };
    auto it = std::find_if(nest.choices.begin(), nest.choices.end(), same);
    values[nest.variable] =
        it == nest.choices.end() ? -1 : static_cast<int32_t>(it - nest.choices.begin());
  }
  for (const auto& form : placement.stored) set(form, plan.storage(form.name).stored);
  for (const auto& form : placement.outputs) set(form, plan.output(form.name).stored);
  if (std::find(values.begin(), values.end(), -1) != values.end()) return std::nullopt;
  return values;
}

}  // namespace tessera
