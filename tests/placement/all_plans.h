#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "partition/demands.h"
#include "placement/condition_cost.h"
#include "placement/first_rank.h"
#include "placement/optimize.h"
#include "placement/program_rules.h"

namespace tessera {

// Every choice for every axis, legal on its own; together they may split a dim too often.
inline std::vector<Assignment> all_assignments(const NestRules& rules, const Mesh& mesh) {
  std::vector<Assignment> result = {Assignment{}};
  for (int axis = 0; axis < mesh.count(); ++axis) {
    std::vector<Assignment> longer;
    for (const Assignment& prefix : result)
      for (const Choice& choice : rules.choices()) {
        longer.push_back(prefix);
        longer.back().axes.push_back(choice);
      }
    result = std::move(longer);
  }
  return result;
}

// The least that any plan of a small program takes, found by trying all: every legal choice of
// every nest, every way to keep, to hold and to return a tensor. Shares with the planner only the
// rules, the prices of kernels and collectives, and the shortest ways of partition/reshard.h.
class AllPlans {
 public:
  AllPlans(const Program& program, const Mesh& mesh, const Cluster& cluster,
           const KernelSeconds& seconds)
      : program_(program),
        mesh_(mesh),
        cluster_(cluster),
        seconds_(seconds),
        comm_(cluster),
        rules_(program),
        resharder_(mesh, comm_) {
    for (size_t n = 0; n < rules_.nests.size(); ++n) add_nest(n);
    for (const Tensor& tensor : program.tensors())
      if (tensor.role() != Role::definition) add_stored(tensor);
    for (const Update& carry : program.carries())
      add_kept(carry.value, carry.target, rules_.scopes.of(carry.target));
    for (const Update& update : program.updates()) add_kept(update.value, update.target, {});
    for (const Tensor& tensor : program.tensors())
      if (tensor.role() == Role::carried)
        add_kept(as<Read>(tensor.value())->tensor, tensor, rules_.scopes.of(tensor));
    for (const Output& output : program.outputs()) add_output(output);
  }

  double count() const {
    double product = 1;
    for (const Decision& decision : decisions_) product *= static_cast<double>(decision.size());
    return product;
  }

  double least() {
    std::vector<size_t> at(decisions_.size(), 0);
    double best = kForbidden;
    while (true) {
      double total = 0;
      for (size_t d = 0; d < at.size(); ++d) total += decisions_[d][at[d]].seconds;
      for (auto& [key, meeting] : meetings_)
        if (total < best) total += seconds_of(meeting, at);
      best = std::min(best, total);
      size_t d = at.size();
      while (d-- > 0 && ++at[d] == decisions_[d].size()) at[d] = 0;
      if (d == SIZE_MAX) return best;
    }
  }

 private:
  struct Option {
    double seconds = 0;
    Sharding made;                                  // result, or as it is kept
    std::map<Tensor, std::vector<Demand>> demands;  // of a nest
  };
  using Decision = std::vector<Option>;
  // A tensor in one of the scopes in which it is converted.
  struct Reader {
    size_t decision;
    const Tensor* kept = nullptr;  // as this is kept
    bool output = false;
  };
  struct Meeting {
    Tensor tensor;
    Scope scope;
    std::vector<Reader> readers;
    std::map<std::vector<size_t>, double> known;
  };

  std::vector<Sharding> all_forms(const Tensor& tensor, const Sharding* made) const {
    std::vector<Sharding> forms = {replicated(tensor)};
    if (made != nullptr) forms[0].op = made->op;
    for (int axis = 0; axis < mesh_.count(); ++axis)
      for (size_t f = 0, count = forms.size(); f < count; ++f) {
        for (size_t d = 0; d < tensor.dims().size(); ++d) {
          Sharding form = forms[f];
          form.split[d].push_back(axis);
          if (mesh_.group_size(form.split[d]) <= tensor.dims()[d].extent()) forms.push_back(form);
        }
        if (made == nullptr) continue;
        const Axes& partial = made->partial;
        if (std::find(partial.begin(), partial.end(), axis) == partial.end()) continue;
        forms.push_back(forms[f]);
        forms.back().partial.push_back(axis);
      }
    return forms;
  }

  bool honours(const std::string& name, const Dims& dims, const Sharding& sharding) const {
    for (const Pin& pin : program_.pins()) {
      if (pin.tensor != name) continue;
      for (size_t d = 0; d < dims.size(); ++d)
        if (dims[d].name() == pin.dim &&
            std::find(sharding.split[d].begin(), sharding.split[d].end(), mesh_.find(pin.axis)) ==
                sharding.split[d].end())
          return false;
    }
    return true;
  }

  std::vector<Assignment> assignments(const NestRules& rules) const {
    std::vector<Assignment> result = all_assignments(rules, mesh_);
    std::erase_if(result, [&](const Assignment& assignment) {
      for (const Dim& loop : rules.nest().loops())
        if (mesh_.group_size(rules.loop_axes(loop, assignment)) > loop.extent()) return true;
      for (size_t k = 0; k < rules.operands().size(); ++k) {
        const Dims& dims = rules.operand_tensor(k).dims();
        const Sharding sharding = rules.operand_sharding(k, assignment);
        for (size_t d = 0; d < dims.size(); ++d)
          if (rules.guarded(k, d, assignment) &&
              mesh_.group_size(sharding.split[d]) > dims[d].extent())
            return true;
      }
      const Tensor& out = rules.nest().out;
      return !honours(out.name(), out.dims(), rules.result_sharding(assignment));
    });
    return result;
  }

  void add_nest(size_t n) {
    const NestRules& rules = rules_.nests[n];
    const Tensor& out = rules.nest().out;
    const Scope& scope = rules_.scopes.of(out);
    const size_t number = decisions_.size();
    decisions_.emplace_back();
    for (const Assignment& assignment : assignments(rules)) {
      Option option;
      option.seconds = seconds_(first_rank_nest(rules, assignment, mesh_, rules_.scopes)) *
                       static_cast<double>(rules_.scopes.times(scope));
      option.made = rules.result_sharding(assignment);
      if (std::find(rules_.conditions.begin(), rules_.conditions.end(), out) !=
          rules_.conditions.end()) {
        const ConditionCost cost =
            condition_cost(out, option.made, rules_.scopes, mesh_, seconds_, comm_);
        option.seconds += cost.compute + cost.communicate;
      }
      for (size_t k = 0; k < rules.operands().size(); ++k) {
        const Tensor& tensor = rules.operand_tensor(k);
        const Demand demand =
            demand_of(rules, k, assignment, common(rules_.scopes.of(tensor), scope), mesh_, comm_);
        std::vector<Demand>& list = option.demands[tensor];
        if (std::find(list.begin(), list.end(), demand) == list.end()) list.push_back(demand);
      }
      decisions_.back().push_back(std::move(option));
    }
    made_by_[out] = number;
    for (const auto& [tensor, demands] : decisions_.back().front().demands)
      meeting(tensor, scope).readers.push_back({number, nullptr, false});
  }

  void add_stored(const Tensor& tensor) {
    made_by_[tensor] = decisions_.size();
    decisions_.emplace_back();
    const size_t loops = tensor.role() == Role::carried ? rules_.scopes.of(tensor).size() : 0;
    for (const Sharding& form : all_forms(tensor, nullptr)) {
      bool iterated = false;
      for (size_t d = 0; d < loops; ++d) iterated = iterated || !form.split[d].empty();
      if (iterated || !honours(tensor.name(), tensor.dims(), form)) continue;
      const double bytes = static_cast<double>(local_bytes(shape_of(tensor), form, mesh_));
      decisions_.back().push_back(
          {tensor.role() == Role::input ? bytes / cluster_.device.memory_bandwidth : 0.0,
           form,
           {}});
    }
  }

  void add_kept(const Tensor& value, const Tensor& target, const Scope& user) {
    const auto kept = std::find_if(made_by_.begin(), made_by_.end(),
                                   [&](const auto& one) { return one.first == target; });
    meeting(value, user).readers.push_back({kept->second, &kept->first, false});
  }

  // Whoever is given a tensor takes it in any form that is whole.
  void add_output(const Output& output) {
    meeting(output.value, {}).readers.push_back({0, nullptr, true});
  }

  Meeting& meeting(const Tensor& tensor, const Scope& user) {
    const Scope scope = common(rules_.scopes.of(tensor), user);
    return meetings_.emplace(std::make_pair(tensor, scope), Meeting{tensor, scope, {}, {}})
        .first->second;
  }

  double way(const Meeting& meeting, const Sharding& from, const Sharding& to) {
    return resharder_.path(shape_within(meeting.tensor, meeting.scope), from, to).seconds;
  }

  double seconds_of(Meeting& meeting, const std::vector<size_t>& at) {
    const size_t by = made_by_.at(meeting.tensor);
    std::vector<size_t> key = {at[by]};
    for (const Reader& reader : meeting.readers) key.push_back(at[reader.decision]);
    const auto it = meeting.known.find(key);
    if (it != meeting.known.end()) return it->second;
    const Sharding& made = decisions_[by][at[by]].made;
    double least = kForbidden;
    for (const Sharding& held : all_forms(meeting.tensor, &made)) {
      bool iterated = false;
      for (size_t d = 0; d < meeting.scope.size(); ++d)
        iterated = iterated || !held.split[d].empty();
      if (iterated) continue;
      const Sharding part = within(held, meeting.scope);
      double seconds = way(meeting, within(made, meeting.scope), part);
      for (const Reader& reader : meeting.readers) seconds += read(meeting, reader, part, at);
      least = std::min(least, seconds);
    }
    least *= static_cast<double>(rules_.scopes.times(meeting.scope));
    return meeting.known[key] = least;
  }

  double read(const Meeting& meeting, const Reader& reader, const Sharding& held,
              const std::vector<size_t>& at) {
    const Option& option = decisions_[reader.decision][at[reader.decision]];
    if (reader.output) {
      double least = kForbidden;
      for (const Sharding& form : all_forms(meeting.tensor, nullptr))
        least = std::min(least, way(meeting, held, form));
      return least;
    }
    if (reader.kept != nullptr) {
      Sharding wanted = replicated(meeting.tensor);
      for (size_t d = 0; d < wanted.split.size(); ++d)
        wanted.split[d] = option.made.split[static_cast<size_t>(
            position(reader.kept->dims(), meeting.tensor.dims()[d]))];
      return way(meeting, held, within(wanted, meeting.scope));
    }
    double seconds = 0;
    for (const Demand& demand : option.demands.at(meeting.tensor)) {
      double least = way(meeting, held, demand.form);
      if (demand.halo)
        least = std::min(least, way(meeting, held, demand.halo->base) + demand.halo_seconds);
      seconds += least;
    }
    return seconds;
  }

  const Program& program_;
  const Mesh& mesh_;
  const Cluster cluster_;
  const KernelSeconds seconds_;
  const ClusterCommCost comm_;
  const ProgramRules rules_;
  Resharder resharder_;
  std::vector<Decision> decisions_;
  std::map<Tensor, size_t> made_by_;
  std::map<std::pair<Tensor, Scope>, Meeting> meetings_;
};

}  // namespace tessera
