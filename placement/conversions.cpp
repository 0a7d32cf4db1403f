#include "placement/conversions.h"

#include <algorithm>
#include <map>

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
                 const Scope& scope, Distances& distances) {
  Demand demand{within(rules.operand_sharding(operand, assignment), scope), std::nullopt, 0};
  const std::optional<HaloDemand> halo = halo_demand(rules, operand, assignment, distances.mesh());
  if (!halo) return demand;
  demand.halo = within(*halo, scope);
  demand.halo_seconds = halo_seconds(shape_within(rules.operand_tensor(operand), scope),
                                     *demand.halo, distances.mesh(), distances.cost());
  return demand;
}

namespace {

// All forms of one tensor by number, with the distances between them.
class FormTable {
 public:
  // A demand by numbers; base -1: without a halo. Equal windows have equal numbers.
  struct Need {
    int32_t form;
    int32_t base;
    int32_t windows;
    double halo_seconds;
  };

  FormTable(const TensorShape& shape, Distances& distances, double times = 1)
      : shape_(shape), distances_(distances), times_(times) {}

  Need number(const Demand& demand) {
    Need need{number(demand.form), -1, -1, demand.halo_seconds};
    if (!demand.halo) return need;
    need.base = number(demand.halo->base);
    auto it = std::find(windows_.begin(), windows_.end(), demand.halo->windows);
    need.windows = static_cast<int32_t>(it - windows_.begin());
    if (it == windows_.end()) windows_.push_back(demand.halo->windows);
    return need;
  }

  // After the last demand was numbered.
  void measure() {
    matrix_.clear();
    for (const Sharding& from : forms_)
      for (const Sharding& to : forms_) matrix_.push_back(distances_.between(shape_, from, to));
  }

  double chain(int32_t from, const std::vector<const Need*>& needs) {
    exist_.assign(1, from);
    widened_.clear();
    double total = 0;
    for (const Need* need : needs) total += meet(*need);
    return total * times_;
  }

 private:
  int32_t number(const Sharding& form) {
    auto [it, fresh] = index_.emplace(form, static_cast<int32_t>(forms_.size()));
    if (fresh) forms_.push_back(form);
    return it->second;
  }

  double nearest(int32_t form) const {
    double least = kForbidden;
    for (int32_t have : exist_) least = std::min(least, matrix_[have * forms_.size() + form]);
    return least;
  }

  double make(int32_t form, double seconds) {
    if (seconds > 0) exist_.push_back(form);
    return seconds;
  }

  double meet(const Need& need) {
    double direct = nearest(need.form);
    if (need.base < 0) return make(need.form, direct);
    auto exists = std::make_pair(need.base, need.windows);
    if (std::find(widened_.begin(), widened_.end(), exists) != widened_.end()) return 0;
    double by_base = nearest(need.base);
    if (direct <= by_base + need.halo_seconds) return make(need.form, direct);
    widened_.push_back(exists);
    return make(need.base, by_base) + need.halo_seconds;
  }

  const TensorShape& shape_;
  Distances& distances_;
  double times_;
  std::map<Sharding, int32_t> index_;
  std::vector<Sharding> forms_;
  std::vector<std::vector<HaloWindow>> windows_;
  std::vector<double> matrix_;
  std::vector<int32_t> exist_;
  std::vector<std::pair<int32_t, int32_t>> widened_;  // base and windows
};

using Needs = std::vector<FormTable::Need>;

// One table over the source, scope[0], and the consumers after it.
void add_group(Network& network, const std::vector<int32_t>& scope,
               const std::vector<const Needs*>& needs, FormTable& table) {
  size_t entries = 1;
  for (const Needs* list : needs) entries *= list->size();
  std::vector<double> costs(entries);
  std::vector<size_t> at(scope.size(), 0);
  std::vector<const FormTable::Need*> needed(scope.size() - 1);
  bool any = false;
  for (double& cost : costs) {
    for (size_t i = 1; i < scope.size(); ++i) needed[i - 1] = &(*needs[i])[at[i]];
    cost = table.chain((*needs[0])[at[0]].form, needed);
    any |= cost != 0;
    for (size_t i = scope.size(); i-- > 0 && ++at[i] == needs[i]->size();) at[i] = 0;
  }
  if (!any) return;
  if (scope.size() == 2)
    network.add_edge(scope[0], scope[1], std::move(costs));
  else
    network.add_factor(scope, std::move(costs));
}

}  // namespace

double conversion_seconds(const TensorShape& shape, const Sharding& from,
                          const std::vector<Demand>& demands, Distances& distances) {
  FormTable table(shape, distances);
  int32_t first = table.number(Demand{from, std::nullopt, 0}).form;
  Needs needs;
  std::vector<const FormTable::Need*> needed;
  for (const Demand& demand : demands) needs.push_back(table.number(demand));
  for (const FormTable::Need& need : needs) needed.push_back(&need);
  table.measure();
  return table.chain(first, needed);
}

void add_conversions(Network& network, const TensorShape& shape, double times,
                     const DemandDomain& source, const std::vector<DemandDomain>& consumers,
                     Distances& distances, size_t most_entries) {
  if (consumers.empty()) return;
  FormTable table(shape, distances, times);
  auto number_all = [&](const DemandDomain& domain) {
    Needs needs;
    for (const Demand& demand : domain.demands) needs.push_back(table.number(demand));
    return needs;
  };
  Needs from = number_all(source);
  std::vector<Needs> needed;
  for (const DemandDomain& consumer : consumers) needed.push_back(number_all(consumer));
  table.measure();
  std::vector<int32_t> scope = {source.variable};
  std::vector<const Needs*> needs = {&from};
  size_t entries = from.size();
  for (size_t i = 0; i < consumers.size(); ++i) {
    if (scope.size() > 1 && entries * needed[i].size() > most_entries) {
      add_group(network, scope, needs, table);
      scope.resize(1);
      needs.resize(1);
      entries = from.size();
    }
    scope.push_back(consumers[i].variable);
    needs.push_back(&needed[i]);
    entries *= needed[i].size();
  }
  add_group(network, scope, needs, table);
}

}  // namespace tessera
