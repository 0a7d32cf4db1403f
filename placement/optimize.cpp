#include "placement/optimize.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/units.h"
#include "placement/alternatives.h"
#include "placement/mesh_shapes.h"
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

class Planner {
 public:
  Planner(const Program& normal, const Cluster& cluster, const PlanRequest& request)
      : program_(normal),
        cluster_(cluster),
        request_(request),
        pins_(all_pins(normal, request)),
        rules_(normal),
        seconds_(request.kernel_seconds ? request.kernel_seconds : roofline(cluster.device)),
        comm_(cluster),
        kernels_(seconds_),
        report_(request.report),
        memory_(static_cast<double>(request.memory.value_or(cluster.device.memory))) {}

 private:
  template <typename Use>
  auto on(const Mesh& mesh, const Use& use) {
    Distances distances(mesh, comm_);
    Prices prices{cluster_, seconds_, comm_, kernels_, distances};
    int64_t share = request_.operations / static_cast<int64_t>(meshes_.size());
    return use(MeshRequest{rules_, mesh, pins_, prices, memory_, share, report_});
  }

 public:
  // Nothing when no plan fits.
  std::optional<Plan> run() {
    meshes_ = meshes_for(cluster_, request_, pins_);
    for (const Mesh& mesh : meshes_) verify_pins(pins_, program_, mesh);
    double bound = kForbidden;
    std::optional<MeshSearch> best;
    size_t number = 0;
    for (const Mesh& mesh : meshes_) {
      announce(mesh, ++number);
      MeshSearch found = on(mesh, [](const MeshRequest& r) { return search_mesh(r); });
      bound = std::min(bound, found.bound);
      bool better = found.plan && (!best || found.seconds < best->seconds * (1 - 1e-9));
      if (!better) continue;
      best = std::move(found);
      report_.best(best->seconds);
    }
    if (!best) return std::nullopt;
    Plan plan = std::move(*best->plan);
    report_.at("");
    report_.doing("comparing the plan with others");
    on(best->mesh, [&](const MeshRequest& r) {
      explain_choices(r, plan);
      predict(rules_, plan, r.prices);
      return 0;
    });
    Prediction& p = plan.predicted;
    p.lower_bound_seconds = std::clamp(bound, 0.0, p.seconds);
    if (p.lower_bound_seconds < p.seconds) p.gap = p.seconds / p.lower_bound_seconds - 1;
    return plan;
  }

  [[noreturn]] void fail_memory() {
    MemoryUse smallest;
    const Mesh* where = nullptr;
    size_t number = 0;
    for (const Mesh& mesh : meshes_) {
      announce(mesh, ++number);
      MemoryUse use = on(mesh, [](const MeshRequest& r) { return smallest_peak(r); });
      if (where != nullptr && use.peak >= smallest.peak) continue;
      smallest = std::move(use);
      where = &mesh;
    }
    std::string text = "no plan for `" + program_.name() + "` on " + describe(cluster_) +
                       " fits into " + human_bytes(static_cast<int64_t>(memory_)) +
                       " per device. The smallest peak found is " + human_bytes(smallest.peak) +
                       (where->axes.empty() ? "" : " (mesh " + print(*where) + ")") + ", at `" +
                       smallest.at + "`, held by ";
    std::vector<std::string> largest;
    for (size_t i = 0; i < smallest.holdings.size() && i < 5; ++i)
      largest.push_back("`" + smallest.holdings[i].tensor + "` " +
                        human_bytes(smallest.holdings[i].bytes));
    text += join(largest) + (smallest.holdings.size() > 5
                                 ? " and " + std::to_string(smallest.holdings.size() - 5) + " more"
                                 : "");
    text +=
        ". Allow at least " + human_bytes(smallest.peak + 1023) + " per device" + more_devices();
    throw UserError(program_.where(), text);
  }

 private:
  void announce(const Mesh& mesh, size_t number) {
    if (meshes_.size() > 1 || mesh.count() > 0)
      report_.at(fmt::format("mesh {} of {} ({})", number, meshes_.size(), print(mesh)));
  }

  // ", or use 8 devices", when doubling helps within reason.
  std::string more_devices() {
    if (request_.mesh) return "";
    for (int factor = 2; factor <= 32; factor *= 2) {
      Cluster larger = cluster_;
      larger.devices *= factor;
      if (cluster_.nodes() == 1 && cluster_.per_node < 8)
        larger.per_node = std::min(8, larger.devices);
      PlanRequest request = request_;
      request.most_axes = std::min(request.most_axes, 2);
      if (Planner(program_, larger, request).run())
        return ", or use " + std::to_string(larger.devices) + " devices";
    }
    return "; up to " + std::to_string(cluster_.devices * 32) + " devices would not do";
  }

  const Program& program_;
  const Cluster cluster_;
  const PlanRequest request_;
  const std::vector<Pin> pins_;
  const ProgramRules rules_;
  const KernelSeconds seconds_;
  const ClusterCommCost comm_;
  KernelTimes kernels_;
  Reporter report_;
  const double memory_;
  std::vector<Mesh> meshes_;
};

}  // namespace

Plan optimize(const Program& normal, const Cluster& cluster, const PlanRequest& request) {
  auto begin = std::chrono::steady_clock::now();
  verify(cluster);
  Planner planner(normal, cluster, request);
  std::optional<Plan> plan = planner.run();
  if (!plan) planner.fail_memory();
  std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  plan->predicted.search_seconds = spent.count();
  return std::move(*plan);
}

}  // namespace tessera
