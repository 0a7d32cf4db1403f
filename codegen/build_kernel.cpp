#include "codegen/build_kernel.h"

#include <fmt/format.h>

#include <memory>

#include "codegen/kernel_key.h"
#include "codegen/llvm/emit_blocks.h"
#include "codegen/llvm/emit_contraction.h"
#include "codegen/llvm/emit_loop_nest.h"
#include "codegen/llvm/jit.h"
#include "codegen/lower.h"
#include "codegen/machine.h"
#include "codegen_version.h"

namespace tessera {
namespace {

std::string lines(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += text + "\n";
  return all;
}

// Fill the metadata as well, at the latest when they are run.
ModuleCode code_of(const ContractionPlan& plan, const BuildOptions&, CompiledObject& metadata) {
  return {.optimized = {}, .plain = [&plan, &metadata](llvm::Module& module) {
            const ContractionCode code = emit_contraction(module, plan, kKernelSymbol);
            metadata.chunks = code.chunks;
            metadata.scratch_bytes = code.scratch_bytes;
            metadata.faults = lines(code.faults);
          }};
}

ModuleCode code_of(const LoopNest& nest, const BuildOptions& options, CompiledObject& metadata) {
  metadata.chunks = nest.chunks;
  metadata.scratch_bytes = nest.scratch_bytes;
  metadata.faults = lines(nest.faults);
  const VectorTarget& target = vectors_of(options.level);
  return {.optimized =
              [&nest, &target](llvm::Module& module) {
                emit_loop_nest(module, nest, kKernelSymbol, target);
              },
          .plain = {}};
}

// The parts of a blocked group as functions beside each other.
class BlockBuilder {
 public:
  BlockBuilder(const BlockedForm& form, const VectorTarget& target) : form_(form), target_(target) {
    for (const std::vector<PartForm>& variant : form.parts) code_.emplace_back(variant.size());
  }

  void emit_nests(llvm::Module& module) {
    for_each([&](size_t v, size_t p, const std::string& name) {
      const LoopNest* form = std::get_if<LoopNest>(&form_.parts[v][p]);
      if (form == nullptr) return;
      LoopNest nest = *form;
      renumber_faults(nest, faults_.size());
      faults_.insert(faults_.end(), nest.faults.begin(), nest.faults.end());
      code_[v][p] = {
          emit_loop_nest(module, nest, name, target_), nest.chunks, nest.scratch_bytes, {}};
    });
  }

  void emit_contractions(llvm::Module& module) {
    for_each([&](size_t v, size_t p, const std::string& name) {
      const ContractionPlan* plan = std::get_if<ContractionPlan>(&form_.parts[v][p]);
      if (plan == nullptr) return;
      const ContractionCode made = emit_contraction(module, *plan, name, faults_.size());
      faults_.insert(faults_.end(), made.faults.begin(), made.faults.end());
      code_[v][p] = {made.entry, made.chunks, made.scratch_bytes, {}};
      if (plan->schedule.keeps_b)
        code_[v][p].kept_within =
            last_walk_of(form_.group.variants[v].parts[p], plan->group.contraction.b, form_.group);
    });
  }

  void emit_walks(llvm::Module& module, CompiledObject& metadata) {
    for (const std::vector<PartCode>& variant : code_)
      for (const PartCode& part : variant)
        part.function->setLinkage(llvm::GlobalValue::InternalLinkage);
    emit_blocks(module, form_.group, code_, kKernelSymbol);
    metadata.chunks = form_.group.points();
    metadata.scratch_bytes = scratch_bytes_of(form_.group, code_);
    metadata.faults = lines(faults_);
  }

 private:
  template <typename Visit>
  void for_each(const Visit& visit) {
    for (size_t v = 0; v < code_.size(); ++v)
      for (size_t p = 0; p < code_[v].size(); ++p) visit(v, p, fmt::format("part_{}_{}", v, p));
  }

  const BlockedForm& form_;
  const VectorTarget& target_;
  std::vector<std::vector<PartCode>> code_;
  std::vector<std::string> faults_;
};

ModuleCode code_of(const BlockedForm& form, const BuildOptions& options, CompiledObject& metadata) {
  const auto builder = std::make_shared<BlockBuilder>(form, vectors_of(options.level));
  return {.optimized = [builder](llvm::Module& module) { builder->emit_nests(module); },
          .plain =
              [builder, &metadata](llvm::Module& module) {
                builder->emit_contractions(module);
                builder->emit_walks(module, metadata);
              }};
}

ModuleCode code_of(const KernelForm& form, const BuildOptions& options, CompiledObject& metadata) {
  return std::visit([&](const auto& each) { return code_of(each, options, metadata); }, form);
}

}  // namespace

CompiledObject build_kernel(const KernelGroup& group, const BuildOptions& options) {
  return build_kernel(group, options, std::nullopt);
}

CompiledObject build_kernel(const KernelGroup& group, const BuildOptions& options,
                            const std::optional<ScheduleChoice>& choice) {
  CompiledObject result;
  const KernelForm form = kernel_form(group, options, choice);
  result.object = build_object(code_of(form, options, result), options.level);
  return result;
}

std::string text_of_kernel(const KernelGroup& group, const BuildOptions& options, bool optimized) {
  CompiledObject ignored;
  const KernelForm form = kernel_form(group, options, std::nullopt);
  return build_text(code_of(form, options, ignored), optimized, options.level);
}

std::string key_of_kernel(const KernelGroup& group, const BuildOptions& options) {
  const VectorTarget& target = vectors_of(options.level);
  const std::string text =
      fmt::format("{}\n{}\n{} {} {} {} {} {} {} {}\n", TESSERA_CODEGEN_VERSION,
                  code_target(options.level).text(), target.l1_bytes, target.l2_bytes,
                  target.l3_bytes, options.workers, options.always_tile, options.blocks.room,
                  options.blocks.most_room, options.blocks.always) +
      key_text(group);
  return key_of_text(text);
}

}  // namespace tessera
