#include "placement/optimize.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/units.h"
#include "partition/lower.h"
#include "placement/alternatives.h"
#include "placement/likeness.h"
#include "placement/mesh_shapes.h"
#include "placement/recompute.h"
#include "placement/search_mesh.h"

namespace tessera {
namespace {

std::vector<Pin> all_pins(const Program& program, const PlanRequest& request) {
  std::vector<Pin> pins = program.pins();
  for (const Pin& pin : request.pins)
    if (std::find(pins.begin(), pins.end(), pin) == pins.end()) pins.push_back(pin);
  return pins;
}

std::vector<Mesh> meshes_for(const Cluster& cluster, const PlanRequest& request,
                             const std::vector<Pin>& pins) {
  if (request.mesh) {
    if (request.mesh->ranks() != cluster.devices)
      throw UserError("the mesh " + print(*request.mesh) + " has " +
                      std::to_string(request.mesh->ranks()) + " ranks, but the cluster has " +
                      std::to_string(cluster.devices) + " devices; change one of them");
    return {*request.mesh};
  }
  std::vector<std::string> wanted;
  for (const Pin& pin : pins) {
    const std::vector<std::string>& known = axis_names();
    if (std::find(known.begin(), known.end(), pin.axis) == known.end())
      throw UserError(pin.where, "pin: a chosen mesh has no axis `" + pin.axis + "`; it can have " +
                                     join(known) + did_you_mean(pin.axis, known) +
                                     ". Name another axis, or give the mesh");
    if (std::find(wanted.begin(), wanted.end(), pin.axis) == wanted.end())
      wanted.push_back(pin.axis);
  }
  return mesh_shapes(cluster.devices, std::max<int>(request.most_axes, wanted.size()), wanted);
}

// The search on one mesh, with what it is priced by.
struct OnMesh {
  OnMesh(const Mesh& shape, const Cluster& cluster, const KernelSeconds& seconds,
         const ClusterCommCost& comm, KernelTimes& kernels)
      : mesh(shape), distances(mesh, comm), prices{cluster, seconds, comm, kernels, distances} {}

  const Mesh mesh;
  Distances distances;
  const Prices prices;
  std::optional<MeshRequest> request;
  std::optional<MeshSearch> search;
};

// Where a search stops, and how its work is divided. Each changes how soon a plan is good, none
// what is proven of it.
struct Limits {
  // Programs of more nests are large: not solved exactly, mesh by mesh, but by what bounds suggest.
  // Models of a few layers have fewer.
  size_t large = 200;
  // A gap at which the search of a large program ends: far below what predicted times are off by.
  double good_enough = 5e-3;
  // Passes of the bound on each mesh before any is searched: enough to order meshes by, while all
  // together stay below the work of one search.
  int first_passes = 6;
  // A bound that 5 passes raise by a smaller share is left. Before anything was searched a fifth of
  // `good_enough`, as what is then found shows where raising pays; afterwards hardly more than 0.
  double hardly_rising = good_enough / 5;
  double stuck = 3e-5;
  // Values of a decision that are searched at first, doubled while that helps: a choice, its
  // runner-up, and a third, since two often differ in nothing but how they are named.
  size_t first_values = 3;
  // Of the work, one for each such search: 5 rounds on each of 12 meshes, as 1,024 devices have.
  int64_t slices = 60;
  // Meshes that the remaining work is shared between, as later ones mostly fall to their bounds.
  size_t sharing = 4;
  // Meshes of large programs whose memory is looked at, as each is lowered for that.
  size_t fitting = 3;
  // Work spent on runners-up, which are for people to read: below a second, and at most an eighth
  // of what the search was given.
  int64_t explaining = 300'000'000;
};

constexpr Limits kLimits;

class Planner {
 public:
  Planner(const Program& normal, const Cluster& cluster, const PlanRequest& request)
      : program_(normal),
        cluster_(cluster),
        request_(request),
        pins_(all_pins(normal, request)),
        rules_(normal, pins_),
        skeleton_(skeleton_of(rules_, likeness_of(rules_, request.decisions))),
        seconds_(request.kernel_seconds ? request.kernel_seconds : roofline(cluster.device)),
        comm_(cluster),
        kernels_(seconds_),
        report_(request.report),
        memory_(static_cast<double>(request.memory.value_or(cluster.device.memory))),
        left_(request.operations) {}

  // Nothing when no plan fits.
  std::optional<Plan> run() {
    for (const Mesh& mesh : meshes_for(cluster_, request_, pins_)) {
      verify_pins(pins_, program_, mesh);
      meshes_.push_back(std::make_unique<OnMesh>(mesh, cluster_, seconds_, comm_, kernels_));
    }
    look_at_all();
    if (large()) search_by_bounds();
    if (best_ == nullptr || !large()) solve_in_turn();
    raise_bounds(left_, kLimits.stuck);
    if (best_ == nullptr) return std::nullopt;
    return finish();
  }

 private:
  double best_seconds() const { return best_ == nullptr ? kForbidden : best_->search->seconds(); }

  void look_at_all() {
    for (size_t number = 0; number < meshes_.size(); ++number) {
      announce(number);
      OnMesh& on = *meshes_[number];
      on.request.emplace(MeshRequest{rules_, skeleton_, on.mesh, pins_, on.prices, memory_,
                                     request_.seed, report_,
                                     request_.recompute && program_.carries().empty()});
      on.search.emplace(*on.request);
      on.search->look(kLimits.first_passes);
      left_ -= on.search->operations();
    }
  }

  // Meshes by their bounds, so that those that cannot be the best need no search.
  std::vector<OnMesh*> promising() const {
    std::vector<OnMesh*> order;
    for (const std::unique_ptr<OnMesh>& on : meshes_)
      if (may_be_better(*on)) order.push_back(on.get());
    std::stable_sort(order.begin(), order.end(), [](const OnMesh* a, const OnMesh* b) {
      return a->search->fastest() < b->search->fastest();
    });
    return order;
  }

  bool may_be_better(const OnMesh& on) const {
    return on.search->bound() < best_seconds() * (1 - 1e-9);
  }

  // Large programs are searched by what their bounds suggest, and a plan near to the bound is good
  // enough; small ones are solved exactly.
  bool large() const { return rules_.nests.size() > kLimits.large; }
  bool done() const { return large() && best_seconds() <= bound() * (1 + kLimits.good_enough); }

  void take_if_best(OnMesh& on) {
    if (!on.search->plan() || on.search->seconds() >= best_seconds() * (1 - 1e-9)) return;
    best_ = &on;
    report_best();
  }

  // Raises bounds and solves what they suggest, with more values of each decision every time, as
  // long as that leads anywhere.
  void search_by_bounds() {
    double before = kForbidden;
    for (size_t values = kLimits.first_values; left_ > 0; values *= 2) {
      raise_bounds(left_ / 4,
                   values == kLimits.first_values ? kLimits.hardly_rising : kLimits.stuck);
      search_promising(values);
      settle_in_turn();
      const double gap = reachable() / bound();
      if (gap <= 1 + kLimits.good_enough || gap >= before * (1 - kLimits.stuck)) return;
      before = gap;
    }
  }

  // On the meshes that may be the best by their bounds.
  void search_promising(size_t values) {
    std::vector<OnMesh*> order = promising();
    std::stable_sort(order.begin(), order.end(), [](const OnMesh* a, const OnMesh* b) {
      return a->search->bound() < b->search->bound();
    });
    for (OnMesh* on : order) {
      if (on->search->bound() >= reachable() * (1 - kLimits.good_enough)) continue;
      announce(number_of(*on));
      const int64_t before = on->search->operations();
      on->search->solve_promising(values, std::max<int64_t>(left_, 0) / kLimits.slices + 1);
      left_ -= on->search->operations() - before;
    }
  }

  // Takes the plans that looking came to, the fastest first, until one fits into memory.
  void settle_in_turn() {
    size_t tried = 0;
    for (OnMesh* on : promising()) {
      if (on->search->fastest() >= best_seconds() || tried++ == kLimits.fitting) return;
      announce(number_of(*on));
      on->search->settle();
      take_if_best(*on);
    }
  }

  void solve_in_turn() {
    const std::vector<OnMesh*> order = promising();
    for (size_t i = 0; i < order.size() && !done(); ++i) {
      if (large() && i >= kLimits.fitting) return;
      OnMesh& on = *order[i];
      if (!may_be_better(on)) continue;
      announce(number_of(on));
      const auto others = static_cast<int64_t>(std::min<size_t>(order.size() - i, kLimits.sharing));
      const int64_t before = on.search->operations();
      const int64_t share = std::max<int64_t>(left_, 0) / (2 * others) + 1;
      if (large())
        on.search->fit(share);
      else
        on.search->solve_within(share);
      left_ -= on.search->operations() - before;
      take_if_best(on);
    }
  }

  double bound() const {
    double least = kForbidden;
    for (const std::unique_ptr<OnMesh>& on : meshes_) least = std::min(least, on->search->bound());
    return least;
  }

  // What is known to be reachable, if memory allows it.
  double reachable() const {
    double least = best_seconds();
    for (const std::unique_ptr<OnMesh>& on : meshes_)
      least = std::min(least, on->search->fastest());
    return least;
  }

  // The mesh with the least bound holds all others back.
  void raise_bounds(int64_t operations, double least_rise) {
    std::set<const OnMesh*> stuck;
    const int64_t end = left_ - operations;
    while (left_ > std::max<int64_t>(end, 0)) {
      const double target = reachable() * (1 - (large() ? kLimits.good_enough : 1e-9));
      OnMesh* least = nullptr;
      for (const std::unique_ptr<OnMesh>& on : meshes_)
        if (on->search->bound() < target && stuck.count(on.get()) == 0 &&
            (least == nullptr || on->search->bound() < least->search->bound()))
          least = on.get();
      if (least == nullptr) return;
      announce(number_of(*least));
      report_.doing("proving how good the plan is");
      const double before = least->search->bound();
      const int64_t spent = least->search->operations();
      least->search->raise_bound();
      left_ -= std::max<int64_t>(least->search->operations() - spent, 1);
      if (least->search->bound() <= before * (1 + least_rise)) {
        stuck.insert(least);
        if (!large()) return;
      }
      if (best_ != nullptr) report_best();
    }
  }

  void report_best() { report_.best(best_seconds(), bound()); }

  // The network's price of the plan, and its bound, are computed apart from the plan's own.
  Plan finish() {
    Plan plan = *best_->search->plan();
    report_.at("");
    report_.doing("comparing the plan with others");
    explain_choices(*best_->request, std::min<int64_t>(request_.operations / 8, kLimits.explaining),
                    plan);
    plan = with_recomputation(program_, plan, best_->search->recomputed());
    price(*best_, best_->search->lowered(), plan);
    Prediction& p = plan.predicted;
    TESSERA_CHECK(std::abs(p.seconds - best_seconds()) <= 1e-9 * p.seconds)
        << "the plan takes " << p.seconds << " s, and " << best_seconds() << " s by its network";
    p.lower_bound_seconds = kept_bound(bound(), p.seconds);
    if (p.lower_bound_seconds < p.seconds) p.gap = p.seconds / p.lower_bound_seconds - 1;
    add_templates(p);
    return plan;
  }

  // A bound that was proven, which a plan keeps to but for rounding.
  static double kept_bound(double proven, double seconds) {
    TESSERA_CHECK(proven <= seconds * (1 + 1e-9))
        << "a bound of " << proven << " s, and a plan of " << seconds << " s";
    return std::min(std::max(proven, 0.0), seconds);
  }

  // Fills plan.predicted. What is computed again has rules, and so times of kernels, of its own.
  void price(const OnMesh& on, const ShardedProgram& local, Plan& plan) const {
    if (plan.recomputed.empty()) return predict(rules_, local, on.prices, plan);
    const Program planned = planned_program(program_, plan);
    KernelTimes kernels(seconds_);
    predict(ProgramRules(planned, pins_), local,
            {cluster_, seconds_, comm_, kernels, on.prices.distances}, plan);
  }

  Alternative alternative(const std::string& name, const OnMesh& on, Plan plan,
                          const Prediction& taken) const {
    price(on, lower(program_, plan, 0, {&comm_}), plan);
    const double bound = on.search->bound();
    plan.predicted.lower_bound_seconds = kept_bound(bound, plan.predicted.seconds);
    return {name, on.mesh, plan.predicted, why_not(taken, plan.predicted, bound, memory_)};
  }

  // The best that each template comes to, on any mesh.
  void add_templates(Prediction& predicted) const {
    for (const std::unique_ptr<OnMesh>& on : meshes_)
      for (const Template& each : on->search->templates()) {
        const auto it =
            std::find_if(predicted.templates.begin(), predicted.templates.end(),
                         [&](const Prediction::Strategy& one) { return one.name == each.name; });
        if (it == predicted.templates.end())
          predicted.templates.push_back({each.name, print(on->mesh), each.seconds});
        else if (each.seconds < it->seconds)
          *it = {each.name, print(on->mesh), each.seconds};
      }
  }

 public:
  // Beside a plan that was found.
  std::vector<Alternative> alternatives(const Prediction& taken, size_t count) const {
    std::vector<Alternative> found;
    std::vector<const OnMesh*> others;
    for (const std::unique_ptr<OnMesh>& on : meshes_)
      if (on.get() != best_) others.push_back(on.get());
    std::stable_sort(others.begin(), others.end(), [](const OnMesh* a, const OnMesh* b) {
      return a->search->fastest() < b->search->fastest();
    });
    for (size_t i = 0; i < others.size() && i < count; ++i) {
      const MeshSearch& search = *others[i]->search;
      const Plan plan = search.plan()
                            ? with_recomputation(program_, *search.plan(), search.recomputed())
                            : search.plan_of(search.fastest_values());
      found.push_back(alternative("best found", *others[i], plan, taken));
    }
    for (const Prediction::Strategy& each : taken.templates)
      for (const std::unique_ptr<OnMesh>& on : meshes_)
        for (const Template& made : on->search->templates())
          if (made.name == each.name && print(on->mesh) == each.mesh)
            found.push_back(alternative(each.name, *on, on->search->plan_of(made.values), taken));
    std::stable_sort(found.begin(), found.end(), [](const Alternative& a, const Alternative& b) {
      return a.predicted.seconds < b.predicted.seconds;
    });
    return found;
  }

  [[noreturn]] void fail_memory() {
    MemoryUse smallest;
    const Mesh* where = nullptr;
    for (size_t number = 0; number < meshes_.size(); ++number) {
      const std::unique_ptr<OnMesh>& on = meshes_[number];
      if (large() && on->search->smallest().peak == 0) continue;  // was not looked at
      announce(number);
      on->search->seek_smallest(request_.operations / static_cast<int64_t>(2 * meshes_.size()));
      const MemoryUse& use = on->search->smallest();
      if (where != nullptr && use.peak >= smallest.peak) continue;
      smallest = use;
      where = &on->mesh;
    }
    std::string text = "no plan for `" + program_.name() + "` on " + describe(cluster_) +
                       " fits into " + human_bytes(static_cast<int64_t>(memory_)) +
                       " per device. The smallest peak found is " + human_bytes(smallest.peak) +
                       (where->axes.empty() ? "" : " (mesh " + print(*where) + ")") + ", at `" +
                       smallest.at + "`, held by ";
    std::vector<std::string> largest;
    for (size_t i = 0; i < smallest.holdings.size() && i < 5; ++i)
      largest.push_back("`" + smallest.holdings[i].tensor + "` " +
                        human_bytes(smallest.holdings[i].bytes) +
                        line_of(smallest.holdings[i].tensor));
    text += join(largest) + (smallest.holdings.size() > 5
                                 ? " and " + std::to_string(smallest.holdings.size() - 5) + " more"
                                 : "");
    text += ". Allow at least " + human_bytes(smallest.peak + 1023) + " per device";
    const std::optional<int> devices = more_devices();
    if (devices)
      text += ", or use " + std::to_string(*devices) + " devices";
    else if (looks_for_devices())
      text += "; up to " + std::to_string(cluster_.devices * kMostTimes) + " devices would not do";
    throw NoPlanFits(program_.where(), text, std::move(smallest), *where, devices);
  }

 private:
  void announce(size_t number) {
    const Mesh& mesh = meshes_[number]->mesh;
    if (meshes_.size() > 1 || mesh.count() > 0)
      report_.at(fmt::format("mesh {} of {} ({})", number + 1, meshes_.size(), print(mesh)));
  }

  size_t number_of(const OnMesh& on) const {
    size_t number = 0;
    while (meshes_[number].get() != &on) ++number;
    return number;
  }

  // " (fit.tess:5:1)"
  std::string line_of(const std::string& name) const {
    const std::optional<Tensor> tensor = program_.find(name);
    return tensor && tensor->where().known() ? " (" + tensor->where().str() + ")" : "";
  }

  static constexpr int kMostTimes = 32;  // as many devices
  bool looks_for_devices() const { return !request_.mesh && !large(); }

  // How many would do, when doubling helps within reason.
  std::optional<int> more_devices() {
    if (!looks_for_devices()) return std::nullopt;
    for (int factor = 2; factor <= kMostTimes; factor *= 2) {
      const Cluster larger = resized(cluster_, cluster_.devices * factor);
      PlanRequest request = request_;
      request.most_axes = std::min(request.most_axes, 2);
      if (Planner(program_, larger, request).run()) return larger.devices;
    }
    return std::nullopt;
  }

  const Program& program_;
  const Cluster cluster_;
  const PlanRequest request_;
  const std::vector<Pin> pins_;
  const ProgramRules rules_;
  const Skeleton skeleton_;
  const KernelSeconds seconds_;
  const ClusterCommCost comm_;
  KernelTimes kernels_;
  Reporter report_;
  const double memory_;
  int64_t left_;  // operations
  std::vector<std::unique_ptr<OnMesh>> meshes_;
  OnMesh* best_ = nullptr;
};

}  // namespace

int64_t operations_in(double seconds) {
  constexpr double kPerSecond = 4e8;  // elementary additions, with all that goes along with them
  constexpr double kMost = 1e9;       // seconds
  return static_cast<int64_t>(std::clamp(seconds, 0.0, kMost) * kPerSecond);
}

Planned optimize_beside(const Program& normal, const Cluster& cluster, const PlanRequest& request,
                        size_t count) {
  const auto begin = std::chrono::steady_clock::now();
  verify(cluster);
  Planner planner(normal, cluster, request);
  std::optional<Plan> plan = planner.run();
  if (!plan) planner.fail_memory();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  plan->predicted.search_seconds = spent.count();
  std::vector<Alternative> alternatives;
  if (count > 0) alternatives = planner.alternatives(plan->predicted, count);
  return {std::move(*plan), std::move(alternatives)};
}

Plan optimize(const Program& normal, const Cluster& cluster, const PlanRequest& request) {
  return optimize_beside(normal, cluster, request, 0).plan;
}

}  // namespace tessera
