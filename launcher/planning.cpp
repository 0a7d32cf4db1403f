#include "launcher/planning.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/read_file.h"
#include "codegen/gpu/gpu_model.h"
#include "codegen/kernel_model.h"
#include "codegen/machine.h"
#include "comm/work_together.h"
#include "launcher/host_cluster.h"
#include "launcher/planning_report.h"
#include "placement/explain.h"
#include "runtime/worker_pool.h"

namespace tessera {
namespace {

constexpr size_t kMostPlanBytes = size_t{256} << 20;

Plan plan_of_file(const Program& normal, int devices, const PlanSettings& settings) {
  const std::string& file = settings.file;
  Plan plan = read_plan(file);
  if (plan.mesh.ranks() != devices)
    throw UserError("plan `" + file + "` is for " + std::to_string(plan.mesh.ranks()) +
                    " ranks (mesh " + print(plan.mesh) + "); this job has " +
                    std::to_string(devices));
  if (settings.mesh && *settings.mesh != plan.mesh)
    throw UserError("plan `" + file + "` has the mesh " + print(plan.mesh) + ", and the mesh " +
                    print(*settings.mesh) + " is asked for; leave out the plan or the mesh");
  verify(plan, normal, file);
  return plan;
}

PlanRequest request_of(const Cluster& cluster, const PlanSettings& settings) {
  PlanRequest request;
  request.mesh = settings.mesh;
  request.memory = settings.memory;
  request.pins = settings.pins;
  if (settings.search) request.operations = operations_in(*settings.search);
  if (settings.mesh && settings.mesh->ranks() != cluster.devices)
    throw UserError("mesh " + print(*settings.mesh) + " has " +
                    std::to_string(settings.mesh->ranks()) + " ranks; this job has " +
                    std::to_string(cluster.devices) + ": change the mesh or the number of ranks");
  return request;
}

// What `make` gives on rank 0.
std::string text_of_rank_0(Communicator& world, const std::string& what,
                           const std::function<std::string()>& make) {
  std::string text;
  work_together(world, what, [&] {
    if (world.rank() == 0) text = make();
  });
  auto bytes = static_cast<int64_t>(text.size());
  world.set_context("sharing what rank 0 made: " + what);
  world.broadcast(&bytes, sizeof bytes, 0);
  text.resize(static_cast<size_t>(bytes));
  world.broadcast(text.data(), text.size(), 0);
  return text;
}

}  // namespace

PlanSettings plan_settings(const Config& config, int threads) {
  PlanSettings settings;
  settings.cpu = config.cluster.cpu;
  settings.file = config.plan.file;
  settings.cluster = config.cluster.measured;
  settings.memory = config.plan.memory;
  settings.threads = threads;
  if (!config.plan.mesh.empty()) {
    Mesh mesh;
    for (const auto& [name, size] : config.plan.mesh)
      mesh.axes.push_back({name, static_cast<int>(size)});
    settings.mesh = mesh;
  }
  for (const auto& [tensor, dims] : config.plan.pins)
    for (const auto& [dim, axes] : dims)
      for (const std::string& axis : axes) {
        const auto origin = config.origins.find("plan.pins." + tensor + "." + dim);
        settings.pins.push_back(
            {tensor, dim, axis,
             origin == config.origins.end() ? SourceLocation{} : origin->second});
      }
  return settings;
}

KernelSeconds kernel_seconds_here(const PlanSettings& settings) {
  return [machine = machine_facts(settings.cpu), threads = settings.threads](const Nest& local) {
    return predict_seconds(local, machine, threads);
  };
}

KernelSeconds kernel_seconds_of(const ClusterDescription& described) {
  if (!described.machine) {
    const Device& device = described.cluster.device;
    std::optional<GpuTarget> gpu = gpu_of_kind(device.kind);
    if (!gpu) return {};
    gpu->matrix_flops *= device.flops / gpu->f32_flops;
    gpu->f32_flops = device.flops;
    gpu->memory_bandwidth = device.memory_bandwidth;
    gpu->launch_seconds = device.launch;
    return [target = *gpu](const Nest& local) { return predict_gpu_seconds(local, target); };
  }
  return [machine = *described.machine, threads = described.threads](const Nest& local) {
    return predict_seconds(local, machine, threads);
  };
}

Plan read_plan(const std::string& file) {
  return plan_from_text(read_file(file, {"a plan", kMostPlanBytes}), file);
}

Cluster cluster_for(int devices) {
  return devices <= 4 * usable_cores() ? this_machine(devices) : imagined_cluster(devices);
}

std::string explain_here(const Program& normal, const Plan& plan, const PlanSettings& settings) {
  return explain_here(normal, plan, settings, this_machine(plan.mesh.ranks()));
}

std::string explain_here(const Program& normal, const Plan& plan, const PlanSettings& settings,
                         const Cluster& cluster) {
  return explain(normal, plan, cluster, kernel_seconds_here(settings));
}

Plan plan_here(const Program& normal, const Cluster& here, const PlanSettings& settings) {
  if (!settings.file.empty()) return plan_of_file(normal, here.devices, settings);
  return plan_beside(normal, here, settings, kernel_seconds_here(settings), 0).plan;
}

Plan make_plan(const Program& normal, int devices, const PlanSettings& settings) {
  return plan_here(normal, this_machine(devices), settings);
}

Planned plan_beside(const Program& normal, const Cluster& cluster, const PlanSettings& settings,
                    const KernelSeconds& kernels, size_t alternatives) {
  PlanRequest request = request_of(cluster, settings);
  request.kernel_seconds = kernels;
  PlanningReport report(style_of_stderr());
  request.report = [&](const SearchState& state) { report.update(state); };
  return optimize_beside(normal, cluster, request, alternatives);
}

Cluster cluster_of_job(Communicator& world, const std::string& file) {
  if (file.empty()) return cluster_of(world);
  const std::string text = text_of_rank_0(world, "reading the cluster's description", [&] {
    const ClusterDescription described = load_cluster(file);
    if (described.cluster.devices != world.size())
      throw UserError(fmt::format(
          "`{}` describes {}, and this job has {} ranks; calibrate with as many, or leave it out",
          file, describe(described.cluster), world.size()));
    return print_cluster(described);
  });
  return parse_cluster(text, file).cluster;
}

Plan share_plan(Communicator& world, const std::function<Plan()>& make) {
  if (world.size() == 1) return make();
  return plan_from_text(
      text_of_rank_0(world, "planning, on rank 0", [&] { return to_text(make()); }),
      "the plan of rank 0");
}

}  // namespace tessera
