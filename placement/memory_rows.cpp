#include "placement/memory_rows.h"

#include <algorithm>
#include <map>
#include <set>

#include "placement/memory.h"

namespace tessera {
namespace {

constexpr size_t kMostRows = 48;

class Rows {
 public:
  Rows(PlacementNetwork& placement, const ProgramRules& rules, const Mesh& mesh, RowKind kind,
       const Values& reference)
      : placement_(placement),
        skeleton_(*placement.skeleton),
        rules_(rules),
        mesh_(mesh),
        kind_(kind),
        reference_(reference),
        bytes_(skeleton_.variables.size()),
        nest_bytes_(skeleton_.variables.size()),
        alive_(skeleton_.variables.size(), 0) {
    for (const Update& update : rules.program.updates()) replaces_.insert(update.value);
  }

  void add(double limit) {
    for (const auto& [t, v] : skeleton_.stored) ++alive_[index(v)];
    find_lives();
    std::map<int32_t, Moment> fullest;  // by variable of the nest
    for (size_t n = 0; n < rules_.nests.size(); ++n) {
      if (kind_ == RowKind::estimate)
        for (const auto& [v, by] : born_[n]) change(v, by);
      Moment& known = fullest[skeleton_.nests[n]];
      const double total = held_ + nest_bytes(n)[value(skeleton_.nests[n])];
      if (total >= known.total) known = {total, n};
      if (kind_ == RowKind::estimate)
        for (const auto& [v, by] : dead_[n]) change(v, by);
    }
    std::vector<Moment> moments;
    for (const auto& [v, moment] : fullest) moments.push_back(moment);
    std::sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
      return a.total != b.total ? a.total > b.total : a.nest < b.nest;
    });
    moments.resize(std::min(moments.size(), kMostRows));
    std::sort(moments.begin(), moments.end(),
              [](const Moment& a, const Moment& b) { return a.nest < b.nest; });
    add_rows(moments, limit);
  }

 private:
  struct Moment {
    double total = -1;
    size_t nest = 0;
  };

  static size_t index(int32_t v) { return static_cast<size_t>(v); }
  size_t value(int32_t v) const { return static_cast<size_t>(reference_[index(v)]); }

  void change(int32_t v, int by) {
    alive_[index(v)] += by;
    held_ += by * bytes(v)[value(v)];
  }

  // Of an estimate: a tensor is held from the nest after the one that makes it to the last that
  // needs it; one that is stored, from the first that needs it, and counts as held then, not as
  // stored.
  void find_lives() {
    born_.resize(rules_.nests.size());
    dead_.resize(rules_.nests.size());
    std::map<Tensor, std::pair<size_t, size_t>> lives;
    const auto touch = [&](const Tensor& tensor, size_t n) {
      const auto [it, fresh] = lives.emplace(tensor, std::make_pair(n, n));
      if (!fresh) it->second.second = n;
    };
    for (size_t n = 0; n < rules_.nests.size(); ++n) {
      for (size_t k = 0; k < rules_.nests[n].operands().size(); ++k)
        touch(rules_.nests[n].operand_tensor(k), n);
      touch(rules_.nests[n].nest().out, n);
    }
    for (const auto& [key, v] : skeleton_.held) {
      const Tensor& tensor = rules_.program.tensors()[key.first];
      const auto life = lives.find(tensor);
      if (life == lives.end() || replaces_.count(tensor) != 0) continue;
      const bool computed = tensor.role() == Role::definition;
      const size_t first = life->second.first + (computed ? 1 : 0);
      if (first > life->second.second) continue;
      born_[first].push_back({v, 1});
      dead_[life->second.second].push_back({v, -1});
      if (computed) continue;
      const int32_t stored = skeleton_.stored.at(key.first);
      born_[first].push_back({stored, -1});
      dead_[life->second.second].push_back({stored, 1});
    }
    for (const auto& [t, v] : skeleton_.stored) held_ += bytes(v)[value(v)];
  }

  double bytes_of(const Tensor& tensor, const Scope& scope, const Sharding& form) const {
    constexpr int64_t kGranule = 64;
    const int64_t bytes = local_bytes(shape_within(tensor, scope), form, mesh_);
    return static_cast<double>((bytes + kGranule - 1) / kGranule * kGranule);
  }

  // Of one copy of what is stored or held, by value. In loops, of one iteration.
  const std::vector<double>& bytes(int32_t v) {
    std::vector<double>& known = bytes_[index(v)];
    if (!known.empty()) return known;
    const Skeleton::Variable& variable = skeleton_.variables[index(v)];
    const Tensor& tensor = rules_.program.tensors()[variable.number];
    const Scope& scope = rules_.scopes.of(tensor);
    for (const Sharding& form : placement_.forms[index(v)]->forms) {
      const Scope loops(scope.begin(),
                        scope.begin() + static_cast<std::ptrdiff_t>(
                                            variable.kind == Skeleton::Kind::held ? variable.loops
                                                                                  : scope.size()));
      known.push_back(variable.kind == Skeleton::Kind::held
                          ? bytes_of(tensor, loops, form)
                          : bytes_of(tensor, scope, within(form, scope)));
    }
    return known;
  }

  // What the nest makes; of a relaxation also what it needs of what others make, the least that
  // each demand takes.
  const std::vector<double>& nest_bytes(size_t n) {
    const int32_t v = skeleton_.nests[n];
    std::vector<double>& known = nest_bytes_[index(v)];
    if (!known.empty()) return known;
    const NestDomain& domain = *placement_.nests[index(v)];
    const NestRules& rules = rules_.nests[n];
    const NestClass& of = rules_.classes.classes[rules_.classes.of[n]];
    const Tensor& out = rules.nest().out;
    const Scope& user = rules_.scopes.of(out);
    const Forms results(out.dims().size(), mesh_.count());
    const bool counts = replaces_.count(out) == 0;
    for (size_t x = 0; x < domain.size(); ++x) {
      double total =
          counts ? bytes_of(out, user, within(results.sharding(domain.result[x]), user)) : 0;
      int next = 0;
      for (size_t k = 0; k < of.distinct_of.size(); ++k) {
        if (of.distinct_of[k] != next) continue;
        const auto which = static_cast<size_t>(next++);
        if (kind_ == RowKind::relaxation && rules.operand_tensor(k).role() == Role::definition)
          total += most_needed(domain, which, x, rules.operand_tensor(k), user);
      }
      known.push_back(total);
    }
    return known;
  }

  double most_needed(const NestDomain& domain, size_t which, size_t x, const Tensor& tensor,
                     const Scope& user) const {
    const Scope scope = common(rules_.scopes.of(tensor), user);
    const Forms forms(tensor.dims().size(), mesh_.count());
    double most = 0;
    for (const int form : domain.forms[which][x])
      most = std::max(most, bytes_of(tensor, scope, within(forms.sharding(form), scope)));
    for (const Demand& demand : domain.demands[which][x])
      most = std::max(most, std::min(bytes_of(tensor, scope, demand.form),
                                     bytes_of(tensor, scope, demand.halo->base)));
    return most;
  }

  void add_rows(const std::vector<Moment>& moments, double limit) {
    std::fill(alive_.begin(), alive_.end(), 0);
    for (const auto& [t, v] : skeleton_.stored) ++alive_[index(v)];
    size_t next = 0;
    for (size_t n = 0; n < rules_.nests.size() && next < moments.size(); ++n) {
      if (kind_ == RowKind::estimate)
        for (const auto& [v, by] : born_[n]) alive_[index(v)] += by;
      if (moments[next].nest == n) {
        add_row(n, limit);
        ++next;
      }
      if (kind_ == RowKind::estimate)
        for (const auto& [v, by] : dead_[n]) alive_[index(v)] += by;
    }
  }

  void add_row(size_t n, double limit) {
    std::vector<Network::RowItem> items;
    for (size_t v = 0; v < alive_.size(); ++v) {
      if (alive_[v] == 0) continue;
      items.push_back({static_cast<int32_t>(v), bytes(static_cast<int32_t>(v))});
      for (double& each : items.back().bytes) each *= static_cast<double>(alive_[v]);
    }
    items.push_back({skeleton_.nests[n], nest_bytes(n)});
    placement_.network.add_row(limit, items);
  }

  PlacementNetwork& placement_;
  const Skeleton& skeleton_;
  const ProgramRules& rules_;
  const Mesh& mesh_;
  const RowKind kind_;
  const Values& reference_;
  std::set<Tensor> replaces_;  // new values of stored tensors, perhaps in place
  // By nest: what is alive from it on, and no longer behind it, and how many copies.
  std::vector<std::vector<std::pair<int32_t, int>>> born_, dead_;
  std::vector<std::vector<double>> bytes_, nest_bytes_;  // by variable
  std::vector<int64_t> alive_;                           // copies, by variable
  double held_ = 0;
};

}  // namespace

void add_memory_rows(PlacementNetwork& placement, const ProgramRules& rules, const Mesh& mesh,
                     double limit, RowKind kind, const Values& reference) {
  Rows(placement, rules, mesh, kind, reference).add(limit);
}

}  // namespace tessera
