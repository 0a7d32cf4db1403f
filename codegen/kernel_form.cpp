#include "codegen/kernel_form.h"

#include "codegen/lower.h"
#include "codegen/machine.h"
#include "codegen/schedule.h"

namespace tessera {
namespace {

std::optional<ContractionGroup> tiled(const KernelGroup& group, const BuildOptions& options) {
  std::optional<ContractionGroup> found = find_contraction(group);
  if (found && !options.always_tile && !worth_tiling(found->contraction)) found.reset();
  return found;
}

VectorTarget target_of(const BuildOptions& options) {
  VectorTarget target = vectors_of(options.level);
  target.threads = options.workers;
  return target;
}

LoopNest scheduled(const KernelGroup& group, const ScheduleTarget& target) {
  LoopNest nest = lower(group);
  schedule(nest, target);
  return nest;
}

BlockedForm in_blocks(const KernelGroup& group, const std::vector<BlockWalk>& walks,
                      const BuildOptions& options) {
  const VectorTarget& vectors = vectors_of(options.level);
  BlockedForm form{make_blocks(group, walks), {}};
  for (const BlockVariant& variant : form.group.variants) {
    std::vector<PartForm>& parts = form.parts.emplace_back();
    for (const BlockPart& part : variant.parts) {
      if (std::optional<ContractionGroup> contraction = tiled(part.group, options)) {
        set_stays(*contraction, form.group, part, !variant.rest);
        parts.emplace_back(plan_contraction(*contraction, vectors));
      } else {
        parts.emplace_back(scheduled(part.group, {vectors, 1}));
      }
    }
  }
  return form;
}

std::optional<KernelForm> chosen(const KernelGroup& group, const BuildOptions& options,
                                 const ScheduleChoice& choice) {
  const VectorTarget& vectors = vectors_of(options.level);
  if (const TileChoice* tile = std::get_if<TileChoice>(&choice)) {
    const std::optional<ContractionGroup> contraction = find_contraction(group);
    if (!contraction) return std::nullopt;
    return plan_contraction(*contraction, target_of(options), *tile);
  }
  if (const BlockChoice* blocks = std::get_if<BlockChoice>(&choice)) {
    const auto walks = plan_walks(group, options.blocks, *blocks);
    if (!walks) return std::nullopt;
    return in_blocks(group, *walks, options);
  }
  LoopNest nest = lower(group);
  const ScheduleTarget target{vectors, options.workers};
  if (!schedule(nest, target, std::get<LoopChoice>(choice))) return std::nullopt;
  return nest;
}

}  // namespace

KernelForm kernel_form(const KernelGroup& group, const BuildOptions& options,
                       const std::optional<ScheduleChoice>& choice) {
  if (choice)
    if (std::optional<KernelForm> form = chosen(group, options, *choice)) return std::move(*form);
  const VectorTarget& vectors = vectors_of(options.level);
  if (const std::optional<ContractionGroup> contraction = tiled(group, options))
    return plan_contraction(*contraction, target_of(options));
  if (const std::optional<std::vector<BlockWalk>> walks = plan_walks(group, options.blocks))
    return in_blocks(group, *walks, options);
  return scheduled(group, {vectors, options.workers});
}

}  // namespace tessera
