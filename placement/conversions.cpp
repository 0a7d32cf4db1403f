#include "placement/conversions.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace tessera {
namespace {

// All forms of one tensor by number, with the distances between them.
class FormTable {
 public:
  FormTable(const TensorShape& shape, Distances& distances)
      : shape_(shape), distances_(distances) {}

  int32_t number(const Sharding& form) {
    auto [it, fresh] = index_.emplace(form, static_cast<int32_t>(forms_.size()));
    if (fresh) forms_.push_back(form);
    return it->second;
  }
  // After the last form was numbered.
  void measure() {
    matrix_.clear();
    for (const Sharding& from : forms_)
      for (const Sharding& to : forms_) matrix_.push_back(distances_.between(shape_, from, to));
  }
  double between(int32_t from, int32_t to) const { return matrix_[from * forms_.size() + to]; }

  double chain(int32_t from, const std::vector<int32_t>& needed) {
    exist_.assign(1, from);
    double total = 0;
    for (int32_t form : needed) {
      double nearest = kForbidden;
      for (int32_t have : exist_) nearest = std::min(nearest, between(have, form));
      total += nearest;
      if (nearest > 0 && nearest != kForbidden) exist_.push_back(form);
    }
    return total;
  }

 private:
  const TensorShape& shape_;
  Distances& distances_;
  std::map<Sharding, int32_t> index_;
  std::vector<Sharding> forms_;
  std::vector<double> matrix_;
  std::vector<int32_t> exist_;
};

using Numbers = std::vector<int32_t>;

void add_pair(Network& network, const FormDomain& source, const FormDomain& consumer,
              const Numbers& from, const Numbers& to, const FormTable& table, bool only_forbidden) {
  std::vector<double> costs;
  bool any = false;
  for (int32_t a : from)
    for (int32_t b : to) {
      double seconds = table.between(a, b);
      if (only_forbidden && seconds != kForbidden) seconds = 0;
      any |= seconds != 0;
      costs.push_back(seconds);
    }
  if (any) network.add_edge(source.variable, consumer.variable, std::move(costs));
}

void add_group(Network& network, const std::vector<FormDomain>& scope,
               const std::vector<Numbers>& numbers, FormTable& table) {
  if (scope.size() == 2) {
    add_pair(network, scope[0], scope[1], numbers[0], numbers[1], table, false);
    return;
  }
  for (size_t i = 1; i < scope.size(); ++i)
    add_pair(network, scope[0], scope[i], numbers[0], numbers[i], table, true);
  std::vector<int32_t> variables;
  size_t entries = 1;
  for (size_t i = 0; i < scope.size(); ++i) {
    variables.push_back(scope[i].variable);
    entries *= numbers[i].size();
  }
  std::vector<double> costs(entries);
  std::vector<size_t> at(scope.size(), 0);
  Numbers needed(scope.size() - 1);
  bool any = false;
  for (double& cost : costs) {
    for (size_t i = 1; i < scope.size(); ++i) needed[i - 1] = numbers[i][at[i]];
    cost = table.chain(numbers[0][at[0]], needed);
    if (cost == kForbidden) cost = 0;  // an edge forbids it
    any |= cost != 0;
    for (size_t i = scope.size(); i-- > 0 && ++at[i] == numbers[i].size();) at[i] = 0;
  }
  if (any) network.add_factor(variables, std::move(costs));
}

}  // namespace

double conversion_seconds(const TensorShape& shape, const Sharding& from,
                          const std::vector<Sharding>& forms, Distances& distances) {
  FormTable table(shape, distances);
  int32_t first = table.number(from);
  Numbers needed;
  for (const Sharding& form : forms) needed.push_back(table.number(form));
  table.measure();
  for (int32_t form : needed)
    if (table.between(first, form) == kForbidden) return kForbidden;
  return table.chain(first, needed);
}

void add_conversions(Network& network, const TensorShape& shape, const FormDomain& source,
                     const std::vector<FormDomain>& consumers, Distances& distances,
                     size_t most_entries) {
  if (consumers.empty()) return;
  FormTable table(shape, distances);
  auto number_all = [&](const FormDomain& domain) {
    Numbers numbers;
    for (const Sharding& form : *domain.forms) numbers.push_back(table.number(form));
    return numbers;
  };
  Numbers from = number_all(source);
  std::vector<Numbers> needed;
  for (const FormDomain& consumer : consumers) needed.push_back(number_all(consumer));
  table.measure();
  std::vector<FormDomain> scope = {source};
  std::vector<Numbers> numbers = {from};
  size_t entries = from.size();
  for (size_t i = 0; i < consumers.size(); ++i) {
    if (scope.size() > 1 && entries * needed[i].size() > most_entries) {
      add_group(network, scope, numbers, table);
      scope.resize(1);
      numbers.resize(1);
      entries = from.size();
    }
    scope.push_back(consumers[i]);
    numbers.push_back(needed[i]);
    entries *= needed[i].size();
  }
  add_group(network, scope, numbers, table);
}

}  // namespace tessera
