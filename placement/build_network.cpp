#include "placement/build_network.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "placement/condition_cost.h"
#include "placement/drop_choices.h"
#include "placement/edge_seconds.h"

namespace tessera {
namespace {

class Builder {
  using Kind = Skeleton::Kind;
  using Meeting = Skeleton::Meeting;

 public:
  explicit Builder(const NetworkInputs& inputs)
      : in_(inputs), tensors_(inputs.rules.program.tensors()) {}

  PlacementNetwork run() {
    const std::vector<Skeleton::Variable>& variables = in_.skeleton.variables;
    result_.skeleton = &in_.skeleton;
    result_.nests.resize(variables.size());
    result_.forms.resize(variables.size());
    for (const auto& variable : variables) price_class(variable);
    for (size_t v = 0; v < variables.size(); ++v) {
      in_.report.doing("pricing decision", v + 1, variables.size());
      make_domain(v);
    }
    if (!in_.all_choices) drop_dominated_choices(in_, result_);
    for (size_t v = 0; v < variables.size(); ++v) result_.network.add_variable(unary(v));
    size_t done = 0;
    for (const Skeleton::Edge& edge : in_.skeleton.edges) {
      in_.report.doing("pricing the ways of tensors", ++done, in_.skeleton.edges.size());
      std::vector<double> table = edge_seconds(in_, result_, edge);
      for (double& seconds : table) seconds *= static_cast<double>(edge.copies);
      result_.network.add_edge(edge.from, edge.to, std::move(table));
    }
    return std::move(result_);
  }

 private:
  const Mesh& mesh() const { return in_.mesh; }

  // Does the form split a dim into more blocks than it has elements, unless pins ask for that, or
  // one of the first `loops` dims, which loops iterate?
  bool too_fine(const Tensor& tensor, const Sharding& form, size_t loops) const {
    for (size_t d = 0; d < form.split.size(); ++d) {
      const Dim& dim = tensor.dims()[d];
      if (d < loops && !form.split[d].empty()) return true;
      if (mesh().group_size(form.split[d]) <= dim.extent()) continue;
      for (const int axis : form.split[d])
        if (!pinned(in_.pins, tensor, dim.name(), axis, mesh())) return true;
    }
    return false;
  }

  static void add_form(FormDomain& domain, const Forms& forms, int number, ReduceOp op) {
    domain.value_of.resize(static_cast<size_t>(forms.count()), -1);
    int32_t& value = domain.value_of[static_cast<size_t>(number)];
    if (value >= 0) return;
    value = static_cast<int32_t>(domain.numbers.size());
    domain.numbers.push_back(number);
    domain.forms.push_back(forms.sharding(number, op));
  }

  // Every way to keep a tensor: each axis on one dim or on none.
  std::shared_ptr<const FormDomain> kept_forms(const Tensor& tensor, bool honour) const {
    auto domain = std::make_shared<FormDomain>();
    const Forms forms(tensor.dims().size(), mesh().count());
    const size_t loops = tensor.role() == Role::carried ? in_.rules.scopes.of(tensor).size() : 0;
    for (int number = 0; number < forms.count(); ++number) {
      if (forms.is_partial(number)) continue;
      const Sharding form = forms.sharding(number);
      if (too_fine(tensor, form, loops)) continue;
      if (honour && !honours_pins(in_.pins, tensor, form, mesh())) continue;
      add_form(*domain, forms, number, ReduceOp::sum);
    }
    TESSERA_CHECK(!domain->numbers.empty()) << "pins of " << tensor.name() << " clash";
    return domain;
  }

  // Prices the class of a nest, before others ask how its result can be.
  void price_class(const Skeleton::Variable& variable) {
    if (variable.kind != Kind::nest) return;
    const size_t number = in_.rules.classes.of[variable.number];
    if (domains_.count(number) != 0) return;
    const NestRules& rules = in_.rules.nests[variable.number];
    in_.report.doing("pricing nest", variable.number + 1, in_.rules.nests.size());
    auto domain = std::make_shared<NestDomain>(
        domain_of({in_.rules, mesh(), in_.pins, in_.distances.cost(), in_.kernels}, number));
    if (domain->size() == 0) fail_pins(rules.nest().out);
    domains_.emplace(number, std::move(domain));
  }

  [[noreturn]] void fail_pins(const Tensor& tensor) const {
    const auto pin = std::find_if(in_.pins.begin(), in_.pins.end(),
                                  [&](const Pin& one) { return one.tensor == tensor.name(); });
    TESSERA_CHECK(pin != in_.pins.end()) << "nothing can compute " << tensor.name();
    throw UserError(pin->where, "pin: no way to compute `" + tensor.name() + "` has `" + pin->dim +
                                    "` on axis `" + pin->axis +
                                    "` together with its other pins; remove one of them");
  }

  // All forms of a part that are whole or, over axes over which some result is, partial.
  std::shared_ptr<const FormDomain> held_forms(const Tensor& tensor, size_t loops) {
    const Forms whole(tensor.dims().size(), mesh().count());
    const Forms part(tensor.dims().size() - loops, mesh().count());
    std::set<int> made;  // as the tensor may be made
    ReduceOp op = ReduceOp::sum;
    if (tensor.role() == Role::definition) {
      const size_t nest = nest_of(tensor);
      op = in_.rules.nests[nest].partial_op();
      const NestDomain& domain = *domains_.at(in_.rules.classes.of[nest]);
      made.insert(domain.result.begin(), domain.result.end());
    } else {
      const auto kept = kept_forms(tensor, true);
      made.insert(kept->numbers.begin(), kept->numbers.end());
    }
    std::set<unsigned> partial = {0};  // sets of axes
    auto domain = std::make_shared<FormDomain>();
    for (const int number : made) {
      const Sharding form = within(whole.sharding(number, op), first_loops(tensor, loops));
      unsigned axes = 0;
      for (const int axis : form.partial) axes |= 1U << axis;
      partial.insert(axes);
      add_form(*domain, part, part.of(form), op);
    }
    for (int number = 0; number < part.count(); ++number) {
      const Sharding form = part.sharding(number, op);
      unsigned axes = 0;
      for (const int axis : form.partial) axes |= 1U << axis;
      const bool allowed = std::any_of(partial.begin(), partial.end(),
                                       [&](unsigned some) { return (axes & ~some) == 0; });
      if (allowed && !too_fine(tensor, outside(form, first_loops(tensor, loops)), loops))
        add_form(*domain, part, number, op);
    }
    return domain;
  }

  Scope first_loops(const Tensor& tensor, size_t loops) const {
    const Scope& scope = in_.rules.scopes.of(tensor);
    return {scope.begin(), scope.begin() + static_cast<std::ptrdiff_t>(loops)};
  }

  size_t nest_of(const Tensor& tensor) {
    if (nest_of_.empty())
      for (size_t n = 0; n < in_.rules.nests.size(); ++n)
        nest_of_.emplace(in_.rules.nests[n].nest().out, n);
    return nest_of_.at(tensor);
  }

  // One object for equal domains.
  std::shared_ptr<const FormDomain> shared(std::shared_ptr<const FormDomain> domain,
                                           const Tensor& tensor, size_t loops) {
    std::vector<int64_t> key = {static_cast<int64_t>(loops), static_cast<int64_t>(tensor.type())};
    for (const Dim& dim : tensor.dims()) key.push_back(dim.extent());
    key.push_back(domain->forms.empty() ? 0 : static_cast<int64_t>(domain->forms[0].op));
    key.insert(key.end(), domain->numbers.begin(), domain->numbers.end());
    return known_.emplace(std::move(key), std::move(domain)).first->second;
  }

  void make_domain(size_t v) {
    const Skeleton::Variable& variable = in_.skeleton.variables[v];
    switch (variable.kind) {
      case Kind::nest:
        result_.nests[v] = domains_.at(in_.rules.classes.of[variable.number]);
        break;
      case Kind::stored:
        result_.forms[v] =
            shared(kept_forms(tensors_[variable.number], true), tensors_[variable.number], 0);
        break;
      case Kind::output:
        result_.forms[v] = kept_forms(in_.rules.program.outputs()[variable.number].value, false);
        break;
      case Kind::held:
        result_.forms[v] = shared(held_forms(tensors_[variable.number], variable.loops),
                                  tensors_[variable.number], variable.loops);
        break;
    }
  }

  std::vector<double> unary(size_t v) const {
    const Skeleton::Variable& variable = in_.skeleton.variables[v];
    const auto copies = static_cast<double>(variable.copies);
    std::vector<double> seconds;
    if (variable.kind == Kind::nest) {
      seconds = result_.nests[v]->seconds;
      add_condition(variable.number, *result_.nests[v], seconds);
    } else {
      seconds.assign(result_.forms[v]->numbers.size(), 0.0);
      if (variable.kind == Kind::stored && tensors_[variable.number].role() == Role::input)
        for (size_t f = 0; f < seconds.size(); ++f)
          seconds[f] = static_cast<double>(local_bytes(shape_of(tensors_[variable.number]),
                                                       result_.forms[v]->forms[f], mesh())) /
                       in_.cluster.device.memory_bandwidth;
    }
    for (double& each : seconds) each *= copies;
    return seconds;
  }

  void add_condition(size_t nest, const NestDomain& domain, std::vector<double>& seconds) const {
    const Tensor& out = in_.rules.nests[nest].nest().out;
    const std::vector<Tensor>& conditions = in_.rules.conditions;
    if (std::find(conditions.begin(), conditions.end(), out) == conditions.end()) return;
    const Forms forms(out.dims().size(), mesh().count());
    for (size_t x = 0; x < seconds.size(); ++x) {
      const ConditionCost cost =
          condition_cost(out, forms.sharding(domain.result[x]), in_.rules.scopes, mesh(),
                         in_.kernels.seconds(), in_.distances.cost());
      seconds[x] += cost.compute + cost.communicate;
    }
  }

  const NetworkInputs& in_;
  const std::vector<Tensor>& tensors_;
  std::map<size_t, std::shared_ptr<const NestDomain>> domains_;  // by class
  std::map<Tensor, size_t> nest_of_;
  std::map<std::vector<int64_t>, std::shared_ptr<const FormDomain>> known_;
  PlacementNetwork result_;
};

}  // namespace

PlacementNetwork build_network(const NetworkInputs& inputs) {
  return Builder(inputs).run();
}

}  // namespace tessera
