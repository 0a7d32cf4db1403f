#include "codegen/contraction.h"
#include "codegen/kernel_group.h"
#include "codegen/stages.h"
#include "ir/structure.h"

namespace tessera {
namespace {

// Does every read of `input` use the dims of `output`, in their order, as its indices?
bool reads_at_written_index(const Nest& nest, const Tensor& output, const Tensor& input) {
  for (const Expr& node : reads_of(nest)) {
    const Read& read = *as<Read>(node);
    if (!(read.tensor == input)) continue;
    for (size_t i = 0; i < read.indices.size(); ++i) {
      const IndexOf* index = as<IndexOf>(read.indices[i].value);
      if (index == nullptr || read.indices[i].padded || !(index->dim == output.dims()[i]))
        return false;
    }
  }
  return true;
}

bool is_tiled(const Nest& nest) {
  const std::optional<Contraction> contraction = find_contraction(nest);
  return contraction && worth_tiling(*contraction);
}

}  // namespace

bool can_run_in_place(const KernelGroup& group, const Tensor& output, const Tensor& input) {
  if (output.type() != input.type() || extents(output.dims()) != extents(input.dims()))
    return false;
  const GroupPlan plan = plan_stages(group.nests);
  int writer = -1;
  for (size_t i = 0; i < group.nests.size(); ++i)
    if (group.nests[i].out == output) writer = static_cast<int>(i);
  if (writer < 0) return false;
  const int written_in = plan.stage_of[static_cast<size_t>(writer)];
  if (plan.stages[static_cast<size_t>(written_in)].scatter) return false;
  for (size_t i = 0; i < group.nests.size(); ++i) {
    const Nest& nest = group.nests[i];
    bool reads = false;
    for (const Tensor& tensor : tensors_read(nest.body)) reads = reads || tensor == input;
    if (!reads) continue;
    // A contraction packs its operands at times of its own.
    if (plan.stage_of[i] > written_in || is_tiled(nest)) return false;
    if (!reads_at_written_index(nest, output, input)) return false;
  }
  return true;
}

}  // namespace tessera
