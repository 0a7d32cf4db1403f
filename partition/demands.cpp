#include "partition/demands.h"

#include <algorithm>

#include "partition/reshard.h"

namespace tessera {

bool Demand::operator==(const Demand& other) const {
  if (!(form == other.form) || halo.has_value() != other.halo.has_value()) return false;
  return !halo || (halo->base == other.halo->base && halo->windows == other.halo->windows);
}

std::vector<Demand> demands_of(const std::vector<Sharding>& forms) {
  std::vector<Demand> result;
  for (const Sharding& form : forms) result.push_back({form, std::nullopt, 0});
  return result;
}

Demand demand_of(const NestRules& rules, size_t operand, const Assignment& assignment,
                 const Scope& scope, const Mesh& mesh, const CommCost& cost) {
  Demand demand{within(rules.operand_sharding(operand, assignment), scope), std::nullopt, 0};
  const std::optional<HaloDemand> halo = halo_demand(rules, operand, assignment, mesh);
  if (!halo) return demand;
  demand.halo = within(*halo, scope);
  demand.halo_seconds =
      halo_seconds(shape_within(rules.operand_tensor(operand), scope), *demand.halo, mesh, cost);
  return demand;
}

namespace {

class Collector {
 public:
  Collector(const Program& program, const Scopes& scopes, const std::vector<NestRules>& nests,
            const Plan& plan, const CommCost& cost)
      : program_(program), scopes_(scopes), nests_(nests), plan_(plan), cost_(cost) {
    for (const NestDecision& nest : plan.nests) assignments_.emplace(nest.nest, &nest.assignment);
  }

  std::vector<TensorDemands> run() {
    for (const StorageDecision& kept : plan_.stored)
      made_.emplace(program_.get(kept.tensor), kept.stored);
    for (const NestRules& nest : nests_) {
      const Tensor& out = nest.nest().out;
      made_.emplace(out, nest.result_sharding(*assignments_.at(out.name())));
    }
    size_t n = 0;
    for (const Tensor& tensor : tensors_of(scopes_.sequence())) {
      if (tensor.role() == Role::definition)
        add_nest(nests_[n++]);
      else
        add_kept(tensor, as<Read>(tensor.value())->tensor, scopes_.of(tensor));
    }
    for (const Update& carry : program_.carries())
      add_kept(carry.target, carry.value, scopes_.of(carry.target));
    for (const Update& update : program_.updates()) add_kept(update.target, update.value, {});
    for (const Output& output : program_.outputs())
      readers(output.value, {}).demands.push_back(demands_of({plan_.output(output.name).stored}));
    std::vector<TensorDemands> result;
    for (auto& [key, readers] : found_) result.push_back(std::move(readers));
    return result;
  }

 private:
  TensorDemands& readers(const Tensor& tensor, const Scope& user) {
    const Scope scope = common(scopes_.of(tensor), user);
    const auto it = found_.find({tensor, scope});
    if (it != found_.end()) return it->second;
    return found_
        .emplace(std::make_pair(tensor, scope),
                 TensorDemands{tensor, scope, within(made_.at(tensor), scope), {}})
        .first->second;
  }

  void add_nest(const NestRules& nest) {
    const Tensor& out = nest.nest().out;
    const Assignment& assignment = *assignments_.at(out.name());
    std::map<Tensor, std::vector<Demand>> asked;
    for (size_t k = 0; k < nest.operands().size(); ++k) {
      const Tensor& tensor = nest.operand_tensor(k);
      const Scope scope = common(scopes_.of(tensor), scopes_.of(out));
      Demand demand = demand_of(nest, k, assignment, scope, plan_.mesh, cost_);
      std::vector<Demand>& list = asked[tensor];
      if (std::find(list.begin(), list.end(), demand) == list.end())
        list.push_back(std::move(demand));
    }
    for (auto& [tensor, list] : asked)
      readers(tensor, scopes_.of(out)).demands.push_back(std::move(list));
  }

  // As `target` is kept, with the dims of `tensor`.
  void add_kept(const Tensor& target, const Tensor& tensor, const Scope& user) {
    const Sharding& kept = made_.at(target);
    Sharding wanted = replicated(tensor);
    for (size_t d = 0; d < wanted.split.size(); ++d)
      wanted.split[d] = kept.split[static_cast<size_t>(position(target.dims(), tensor.dims()[d]))];
    TensorDemands& all = readers(tensor, user);
    all.demands.push_back(demands_of({within(wanted, all.scope)}));
  }

  const Program& program_;
  const Scopes& scopes_;
  const std::vector<NestRules>& nests_;
  const Plan& plan_;
  const CommCost& cost_;
  std::map<std::string, const Assignment*> assignments_;
  std::map<Tensor, Sharding> made_;
  std::map<std::pair<Tensor, Scope>, TensorDemands> found_;
};

}  // namespace

std::vector<TensorDemands> readers_of(const Program& program, const Scopes& scopes,
                                      const std::vector<NestRules>& nests, const Plan& plan,
                                      const CommCost& cost) {
  return Collector(program, scopes, nests, plan, cost).run();
}

namespace {

// Seconds to hold the tensor as `form`, given as a part, and to serve all readers from there.
double seconds_if_held(const TensorDemands& readers, const Sharding& form, Resharder& resharder) {
  const TensorShape shape = shape_within(readers.tensor, readers.scope);
  const auto way = [&](const Sharding& from, const Sharding& to) {
    return resharder.path(shape, from, to).seconds;
  };
  double seconds = way(readers.made, form);
  for (const std::vector<Demand>& reader : readers.demands)
    for (const Demand& demand : reader) {
      const double direct = way(form, demand.form);
      seconds += demand.halo ? std::min(direct, way(form, demand.halo->base) + demand.halo_seconds)
                             : direct;
    }
  return seconds;
}

}  // namespace

void choose_held(const Program& program, const Scopes& scopes, const std::vector<NestRules>& nests,
                 const CommCost& cost, Plan& plan) {
  plan.held.clear();
  Resharder resharder(plan.mesh, cost);
  for (const TensorDemands& readers : readers_of(program, scopes, nests, plan, cost)) {
    if (readers.demands.size() == 1 && readers.demands[0].size() == 1) continue;
    const Sharding* best = &readers.made;
    double least = seconds_if_held(readers, readers.made, resharder);
    for (const std::vector<Demand>& reader : readers.demands)
      for (const Demand& demand : reader)
        for (const Sharding* form : {&demand.form, demand.halo ? &demand.halo->base : nullptr}) {
          if (least == 0 || form == nullptr || !form->partial.empty()) continue;
          const double seconds = seconds_if_held(readers, *form, resharder);
          if (seconds >= least) continue;
          least = seconds;
          best = form;
        }
    if (best != &readers.made)
      plan.held.push_back({readers.tensor.name(), names(readers.tensor.dims()),
                           outside(*best, readers.scope), static_cast<int>(readers.scope.size())});
  }
}

}  // namespace tessera
