#pragma once

#include "codegen/kernel_group.h"
#include "codegen/loop_nest.h"

namespace tessera {

// The group as loops over flat buffers, not yet scheduled (see schedule.h): stages from stages.h,
// indices flattened to addresses, values that pass between nests of one stage kept in nodes, loops
// of extent 1 dropped and loops that always step through memory together merged, but for those of
// dims that are not in the same one of `apart`.
LoopNest lower(const KernelGroup& group, const std::vector<Dims>& apart = {});

// Adds `by` to the codes of all faults, for code that stands beside other code.
void renumber_faults(LoopNest& nest, size_t by);

// Merges loops a, b where every address uses them as a * extent(b) + b.
void merge_loops(LoopNest& nest, const std::vector<Dims>& apart = {});

// At most this many different dims in a group.
inline constexpr int kMaxLoops = 64;

}  // namespace tessera
