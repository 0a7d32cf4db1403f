#include "codegen/gpu/gpu_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
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

constexpr int64_t kStepsOfPart = 128;  // of k that are worth a block
constexpr int64_t kMostPartsOfProduct = 64;
constexpr double kLaunch = 650e3;  // what a launch takes, in multiply-adds of a multiprocessor
constexpr double kPassed = 0.6;    // and writing and reading a number for the second kernel
constexpr double kLargeTile = 128 * 128;

// Multiply-adds that the busiest multiprocessor could make meanwhile, when k is cut into parts.
double cost_of_parts(const Contraction& c, int64_t parts, const GpuTarget& target) {
  const GpuTileShape shape = choose_gpu_tile(c, parts, target);
  const auto tiles = [](int64_t extent, int64_t size) { return (extent + size - 1) / size; };
  const int64_t blocks =
      volume(c.batch) * parts * tiles(volume(c.m), shape.rows) * tiles(volume(c.n), shape.columns);
  const double area = shape.rows * shape.columns;
  const double work = area * std::pow(kLargeTile / area, 0.3) *
                      static_cast<double>(tiles(volume(c.k), parts)) /
                      products_at_once(narrow_types(c));
  const double passed = static_cast<double>(parts * volume(c.nest.out.dims())) * kPassed;
  return static_cast<double>(tiles(blocks, target.multiprocessors)) * work +
         (parts > 1 ? kLaunch + passed : 0);
}

// In how many parts of k a contraction had better run; 1: whole.
int64_t parts_of_contraction(const Nest& nest, const GpuTarget& target) {
  if (nest.body.type() != nest.out.type() || is_half(nest.out.type()) || reads_may_leave(nest.body))
    return 1;
  const std::optional<Contraction> c = find_contraction(nest);
  if (!c || !worth_tiling(*c)) return 1;
  int64_t best = 1;
  const int64_t most = std::min(kMostPartsOfProduct, volume(c->k) / kStepsOfPart);
  for (int64_t parts = 2; parts <= most; ++parts)
    if (cost_of_parts(*c, parts, target) < cost_of_parts(*c, best, target)) best = parts;
  return best;
}

// In about so many parts, one reduced dim after the other, without rests.
std::vector<Nest> cut(const Nest& nest, int64_t parts) {
  if (parts < 2) return {nest};
  const int64_t extent = outermost_reduced(nest).extent();
  int64_t count = std::min(parts, extent);
  while (extent % count != 0) --count;
  if (count < 2) return {nest};
  const std::vector<Nest> steps = in_parts(nest, count);
  std::vector<Nest> result = cut(steps[0], parts / count);
  result.insert(result.end(), steps.begin() + 1, steps.end());
  return result;
}

std::vector<Nest> with_parts(const std::vector<Nest>& nests, const GpuTarget& target) {
  std::vector<Nest> result;
  for (const Nest& nest : in_partial_reductions(nests, kGpuParts)) {
    for (Nest& step : cut(nest, nest.op ? parts_of_contraction(nest, target) : 1))
      result.push_back(std::move(step));
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

}  // namespace

std::string name_of(const KernelGroup& group) {
  std::string name;
  for (const Tensor& output : group.outputs) name += (name.empty() ? "" : "+") + output.name();
  return name;
}

GpuForm gpu_form(const KernelGroup& group, const GpuTarget& target) {
  GpuForm form;
  if (std::optional<GpuTile> tile = plan_gpu_tile(group, target)) {
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

GpuKernel build_gpu_kernel(const KernelGroup& group, GpuMachine machine, const GpuTarget& target) {
  GpuForm form = gpu_form(group, target);
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
                    ? build_ptx(fill, target.arch)
                    : build_object({.optimized = fill, .plain = {}}, CpuLevel::host);
  return kernel;
}

std::vector<KernelGroup> gpu_groups(const std::vector<Nest>& nests,
                                    const std::set<Tensor>& needed_outside,
                                    const GpuTarget& target) {
  std::vector<Nest> solved;
  for (const Nest& nest : nests) solved.push_back(solve_guards(nest));
  return fuse_parts(with_parts(inline_maps(solved, needed_outside), target), needed_outside);
}

}  // namespace tessera
