#include "codegen/build_kernel.h"

#include <fmt/format.h>
#include <unistd.h>

#include <functional>
#include <optional>

#include "base/hash.h"
#include "codegen/contraction_schedule.h"
#include "codegen/llvm/emit_contraction.h"
#include "codegen/llvm/emit_loop_nest.h"
#include "codegen/llvm/jit.h"
#include "codegen/lower.h"
#include "codegen/schedule.h"
#include "codegen_version.h"
#include "ir/index_range.h"

namespace tessera {
namespace {

VectorTarget find_vector_target() {
  VectorTarget target;
  target.vector_bytes = host_target().vector_bytes;
  target.registers = target.vector_bytes == 64 ? 32 : 16;
  const auto cache = [](int name, int64_t& bytes) {
    const int64_t found = sysconf(name);
    if (found > 0) bytes = found;
  };
  cache(_SC_LEVEL1_DCACHE_SIZE, target.l1_bytes);
  cache(_SC_LEVEL2_CACHE_SIZE, target.l2_bytes);
  cache(_SC_LEVEL3_CACHE_SIZE, target.l3_bytes);
  return target;
}

const VectorTarget& vector_target() {
  static const VectorTarget target = find_vector_target();
  return target;
}

std::optional<ContractionGroup> tiled(const KernelGroup& group, const BuildOptions& options) {
  std::optional<ContractionGroup> found = find_contraction(group);
  if (found && !options.always_tile && !worth_tiling(found->contraction)) found.reset();
  return found;
}

struct Emission {
  std::function<void(llvm::Module&)> emit;  // fills the metadata as well
  bool optimize = true;
};

Emission emission_of(const KernelGroup& group, const BuildOptions& options,
                     CompiledObject& metadata) {
  std::vector<std::string> faults;
  if (const std::optional<ContractionGroup> contraction = tiled(group, options)) {
    const ContractionPlan plan = plan_contraction(*contraction, vector_target());
    return {[plan, &metadata](llvm::Module& module) {
              const ContractionCode code = emit_contraction(module, plan, kKernelSymbol);
              metadata.chunks = code.chunks;
              metadata.scratch_bytes = code.scratch_bytes;
              for (const std::string& fault : code.faults) metadata.faults += fault + "\n";
            },
            false};
  }
  LoopNest nest = lower(group);
  schedule(nest, {vector_target().vector_bytes, options.workers});
  metadata.chunks = nest.chunks;
  metadata.scratch_bytes = nest.scratch_bytes;
  for (const std::string& fault : nest.faults) metadata.faults += fault + "\n";
  return {[nest](llvm::Module& module) { emit_loop_nest(module, nest, kKernelSymbol); }, true};
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

CompiledObject build_kernel(const KernelGroup& group, const BuildOptions& options) {
  CompiledObject result;
  const Emission emission = emission_of(group, options, result);
  result.object = build_object(emission.emit, emission.optimize);
  return result;
}

std::string text_of_kernel(const KernelGroup& group, const BuildOptions& options, bool optimized) {
  CompiledObject ignored;
  const Emission emission = emission_of(group, options, ignored);
  return build_text(emission.emit, emission.optimize && optimized);
}

std::string key_of_kernel(const KernelGroup& group, const BuildOptions& options) {
  const VectorTarget& target = vector_target();
  std::string text = fmt::format("{}\n{}\n{} {} {} {} {}\n", TESSERA_CODEGEN_VERSION,
                                 host_target().text(), target.l1_bytes, target.l2_bytes,
                                 target.l3_bytes, options.workers, options.always_tile);
  text += canonical_text(group);
  if (may_fault(group))
    for (const Nest& nest : group.nests)
      text += nest.out.where().str() + " " + describe(nest) + "\n";
  return hex(hash_bytes(text, 0)) + hex(hash_bytes(text, 1));
}

}  // namespace tessera
