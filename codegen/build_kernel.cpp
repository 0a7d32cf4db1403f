#include "codegen/build_kernel.h"

#include <fmt/format.h>

#include <functional>
#include <optional>

#include "base/hash.h"
#include "codegen/contraction_schedule.h"
#include "codegen/llvm/emit_contraction.h"
#include "codegen/llvm/emit_loop_nest.h"
#include "codegen/llvm/jit.h"
#include "codegen/lower.h"
#include "codegen/machine.h"
#include "codegen/schedule.h"
#include "codegen_version.h"
#include "ir/index_range.h"

namespace tessera {
namespace {

std::optional<ContractionGroup> tiled(const KernelGroup& group, const BuildOptions& options) {
  std::optional<ContractionGroup> found = find_contraction(group);
  if (found && !options.always_tile && !worth_tiling(found->contraction)) found.reset();
  return found;
}

struct Emission {
  std::function<void(llvm::Module&)> emit;  // fills the metadata as well
  bool optimize = true;
};

Emission emission_of(const ContractionPlan& plan, CompiledObject& metadata) {
  return {[plan, &metadata](llvm::Module& module) {
            const ContractionCode code = emit_contraction(module, plan, kKernelSymbol);
            metadata.chunks = code.chunks;
            metadata.scratch_bytes = code.scratch_bytes;
            for (const std::string& fault : code.faults) metadata.faults += fault + "\n";
          },
          false};
}

Emission emission_of(const LoopNest& nest, int register_bytes, CompiledObject& metadata) {
  metadata.chunks = nest.chunks;
  metadata.scratch_bytes = nest.scratch_bytes;
  for (const std::string& fault : nest.faults) metadata.faults += fault + "\n";
  return {[nest, register_bytes](llvm::Module& module) {
            emit_loop_nest(module, nest, kKernelSymbol, register_bytes);
          },
          true};
}

Emission emission_of(const KernelGroup& group, const BuildOptions& options,
                     const std::optional<ScheduleChoice>& choice, CompiledObject& metadata) {
  const KernelForm form = kernel_form(group, options, choice);
  if (const ContractionPlan* plan = std::get_if<ContractionPlan>(&form))
    return emission_of(*plan, metadata);
  return emission_of(std::get<LoopNest>(form), vectors_of(options.level).vector_bytes, metadata);
}

// Some index is known only when it is read, so that a fault may have to be described.
bool may_fault(const KernelGroup& group) {
  for (const Nest& nest : group.nests)
    for (const Expr& node : reads_of(nest))
      for (const Index& index : as<Read>(node)->indices)
        if (!index.padded && !affine_form(index.value) && !index_range(index.value)) return true;
  return false;
}

}  // namespace

KernelForm kernel_form(const KernelGroup& group, const BuildOptions& options,
                       const std::optional<ScheduleChoice>& choice) {
  const VectorTarget& vectors = vectors_of(options.level);
  const ScheduleTarget target{vectors.vector_bytes, options.workers};
  if (choice && std::holds_alternative<TileChoice>(*choice)) {
    if (const std::optional<ContractionGroup> contraction = find_contraction(group))
      if (std::optional<ContractionPlan> plan =
              plan_contraction(*contraction, vectors, std::get<TileChoice>(*choice)))
        return std::move(*plan);
  } else if (choice) {
    LoopNest nest = lower(group);
    if (schedule(nest, target, std::get<LoopChoice>(*choice))) return nest;
  }
  if (const std::optional<ContractionGroup> contraction = tiled(group, options))
    return plan_contraction(*contraction, vectors);
  LoopNest nest = lower(group);
  schedule(nest, target);
  return nest;
}

CompiledObject build_kernel(const KernelGroup& group, const BuildOptions& options) {
  return build_kernel(group, options, std::nullopt);
}

CompiledObject build_kernel(const KernelGroup& group, const BuildOptions& options,
                            const std::optional<ScheduleChoice>& choice) {
  CompiledObject result;
  const Emission emission = emission_of(group, options, choice, result);
  result.object = build_object(emission.emit, emission.optimize, options.level);
  return result;
}

std::string text_of_kernel(const KernelGroup& group, const BuildOptions& options, bool optimized) {
  CompiledObject ignored;
  const Emission emission = emission_of(group, options, std::nullopt, ignored);
  return build_text(emission.emit, emission.optimize && optimized, options.level);
}

std::string key_of_kernel(const KernelGroup& group, const BuildOptions& options) {
  const VectorTarget& target = vectors_of(options.level);
  std::string text = fmt::format(
      "{}\n{}\n{} {} {} {} {}\n", TESSERA_CODEGEN_VERSION, code_target(options.level).text(),
      target.l1_bytes, target.l2_bytes, target.l3_bytes, options.workers, options.always_tile);
  text += canonical_text(group);
  if (may_fault(group))
    for (const Nest& nest : group.nests)
      text += nest.out.where().str() + " " + describe(nest) + "\n";
  return hex(hash_bytes(text, 0)) + hex(hash_bytes(text, 1));
}

}  // namespace tessera
