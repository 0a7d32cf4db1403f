#include <algorithm>

#include "codegen/blocked_group.h"
#include "codegen/contraction.h"
#include "codegen/kernel_group.h"
#include "codegen/stages.h"
#include "ir/structure.h"

namespace tessera {
namespace {

bool reads(const Expr& formula, const Tensor& tensor) {
  const std::vector<Tensor> read = tensors_read(formula);
  return std::find(read.begin(), read.end(), tensor) != read.end();
}

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

// A contraction packs its operands, with the maps in front of it, at times of its own.
bool packs(const KernelGroup& group, const Tensor& input) {
  const std::optional<ContractionGroup> tiles = find_contraction(group);
  return tiles && (reads(tiles->contraction.a, input) || reads(tiles->contraction.b, input));
}

}  // namespace

bool can_run_in_place(const KernelGroup& group, const Tensor& output, const Tensor& input) {
  if (output.type() != input.type() || extents(output.dims()) != extents(input.dims()))
    return false;
  if (packs(group, input)) return false;
  // Parts of a block come in an order of their own.
  if (may_run_in_blocks(group)) return false;
  const GroupPlan plan = plan_stages(group.nests);
  int writer = -1;
  for (size_t i = 0; i < group.nests.size(); ++i)
    if (group.nests[i].out == output) writer = static_cast<int>(i);
  if (writer < 0) return false;
  const int written_in = plan.stage_of[static_cast<size_t>(writer)];
  if (!plan.stages[static_cast<size_t>(written_in)].takes_others()) return false;
  for (size_t i = 0; i < group.nests.size(); ++i) {
    const Nest& nest = group.nests[i];
    if (!reads(nest.body, input)) continue;
    // Within a stage, all that is read at a point is read before anything is written there.
    if (plan.stage_of[i] > written_in || !reads_at_written_index(nest, output, input)) return false;
  }
  return true;
}

}  // namespace tessera
