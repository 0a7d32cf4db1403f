#include "codegen/gpu/gpu_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "codegen/contraction.h"
#include "codegen/fuse.h"
#include "codegen/gpu/split_stages.h"
#include "codegen/inline_maps.h"
#include "codegen/llvm/gpu/emit_gpu_nest.h"
#include "codegen/llvm/gpu/emit_gpu_tile.h"
#include "codegen/llvm/gpu/ptx.h"
#include "codegen/llvm/jit.h"
#include "codegen/lower.h"
#include "codegen/partial_reductions.h"
#include "codegen/solve_guards.h"
#include "ir/split_formula.h"

namespace tessera {
namespace {

constexpr PartialLimits kGpuParts{.longest = 1 << 18, .enough = 256, .most_parts = 1024};

// Tiles that keep a GPU busy, steps of k that are worth a block, and parts that are worth adding
// up.
constexpr int64_t kBusyTiles = 128;
constexpr int64_t kStepsOfPart = 256;
constexpr int64_t kMostPartsOfProduct = 32;

// In how many parts of k a contraction runs; 1: whole.
int64_t parts_of_contraction(const Nest& nest) {
  if (nest.body.type() != nest.out.type() || is_half(nest.out.type()) || reads_may_leave(nest.body))
    return 1;
  const std::optional<Contraction> c = find_contraction(nest);
  if (!c || !worth_tiling(*c)) return 1;
  const GpuTileShape shape = choose_gpu_tile(volume(c->batch), volume(c->m), volume(c->n),
                                             static_cast<int>(size_of(sum_type(c->type))));
  const auto tiles = [](int64_t extent, int size) { return (extent + size - 1) / size; };
  const int64_t blocks =
      volume(c->batch) * tiles(volume(c->m), shape.rows) * tiles(volume(c->n), shape.columns);
  const int64_t wanted = std::min(
      {(kBusyTiles + blocks - 1) / blocks, volume(c->k) / kStepsOfPart, kMostPartsOfProduct});
  const int64_t extent = outermost_reduced(nest).extent();
  for (int64_t parts = std::min(wanted, extent); parts > 1 && 2 * parts > wanted; --parts)
    if (extent % parts == 0) return parts;
  return 1;
}

std::vector<Nest> with_parts(const std::vector<Nest>& nests) {
  std::vector<Nest> result;
  for (const Nest& nest : in_partial_reductions(nests, kGpuParts)) {
    const int64_t parts = nest.op ? parts_of_contraction(nest) : 1;
    if (parts <= 1) {
      result.push_back(nest);
      continue;
    }
    for (Nest& step : in_parts(nest, parts)) result.push_back(std::move(step));
  }
  return result;
}

GpuLaunch launch_of(const GpuTile& tile) {
  GpuLaunch launch;
  launch.blocks = tile.blocks();
  launch.threads = tile.shape.threads();
  launch.arguments.resize(tile.group.arguments().size());
  std::iota(launch.arguments.begin(), launch.arguments.end(), 0);
  launch.schedule = describe(tile);
  return launch;
}

GpuLaunch launch_of(const GpuNest& gpu) {
  GpuLaunch launch;
  launch.blocks = gpu.nest.points > 0 ? gpu.schedule.blocks : 0;
  launch.threads = gpu.schedule.threads();
  launch.arguments.resize(static_cast<size_t>(gpu.nest.arguments));
  std::iota(launch.arguments.begin(), launch.arguments.end(), 0);
  launch.schedule = describe(gpu);
  return launch;
}

// Gives the faults of a step their places among those of the kernel.
void add_faults(LoopNest& nest, std::vector<std::string>& faults) {
  renumber_faults(nest, faults.size());
  faults.insert(faults.end(), nest.faults.begin(), nest.faults.end());
}
void number_faults(GpuStep& step, std::vector<std::string>& faults) {
  if (auto* gpu = std::get_if<GpuNest>(&step)) add_faults(gpu->nest, faults);
  if (auto* tile = std::get_if<GpuTile>(&step))
    for (TileFormula* formula : {&tile->a, &tile->b, &tile->result})
      add_faults(formula->nest, faults);
}

void emit(llvm::Module& module, const GpuStep& step, const std::string& symbol,
          GpuMachine machine) {
  if (const auto* gpu = std::get_if<GpuNest>(&step)) emit_gpu_nest(module, *gpu, symbol, machine);
  if (const auto* tile = std::get_if<GpuTile>(&step)) emit_gpu_tile(module, *tile, symbol, machine);
}

std::string name_of(const KernelGroup& group) {
  std::string name;
  for (const Tensor& output : group.outputs) name += (name.empty() ? "" : "+") + output.name();
  return name;
}

}  // namespace

GpuForm gpu_form(const KernelGroup& group) {
  GpuForm form;
  if (std::optional<GpuTile> tile = plan_gpu_tile(group)) {
    form.steps.emplace_back(std::move(*tile));
    return form;
  }
  StageLaunches launches = split_stages(lower(group));
  form.workspaces = std::move(launches.workspaces);
  for (LoopNest& nest : launches.nests) form.steps.emplace_back(schedule_for_gpu(std::move(nest)));
  return form;
}

std::string describe(const GpuForm& form) {
  std::string text;
  for (const GpuStep& step : form.steps)
    text += std::visit([](const auto& each) { return describe(each); }, step) + "\n";
  return text;
}

GpuKernel build_gpu_kernel(const KernelGroup& group, GpuMachine machine, const std::string& arch) {
  GpuForm form = gpu_form(group);
  GpuKernel kernel;
  kernel.name = name_of(group);
  kernel.workspaces = form.workspaces;
  for (GpuStep& step : form.steps) {
    kernel.launches.push_back(std::visit([](const auto& each) { return launch_of(each); }, step));
    kernel.launches.back().symbol = fmt::format("tessera_{}", kernel.launches.size() - 1);
    number_faults(step, kernel.faults);
  }
  const auto fill = [&](llvm::Module& module) {
    for (size_t i = 0; i < form.steps.size(); ++i)
      if (kernel.launches[i].blocks > 0)
        emit(module, form.steps[i], kernel.launches[i].symbol, machine);
  };
  kernel.code = machine == GpuMachine::ptx
                    ? build_ptx(fill, arch)
                    : build_object({.optimized = fill, .plain = {}}, CpuLevel::host);
  return kernel;
}

std::vector<KernelGroup> gpu_groups(const std::vector<Nest>& nests,
                                    const std::set<Tensor>& needed_outside) {
  std::vector<Nest> solved;
  for (const Nest& nest : nests) solved.push_back(solve_guards(nest));
  return fuse_parts(with_parts(inline_maps(solved, needed_outside)), needed_outside);
}

}  // namespace tessera
