#pragma once

#include <set>
#include <vector>

#include "codegen/blocked_group.h"
#include "codegen/kernel_group.h"

namespace tessera {

// Groups nests into kernels where that saves memory traffic, judged by how indices are used and
// never by what an operation is called:
//
// - a map that is cheap, or each of whose values is used once, is computed inside its consumer;
// - a map over the result of a reduction runs as that reduction's epilogue;
// - nests that share outer loops run side by side in one kernel, and what passes between them stays
//   in caches (softmax: maximum, sum of exponentials and quotient under one loop over the batch;
//   an optimizer's updates of one parameter);
// - a contraction (see contraction.h) keeps its own kernel, with the maps over its result;
// - kernels that pass large tensors to each other run block by block (see join_groups.h).
//
// `nests` are in an order in which each reads only earlier ones; the result is too, and computes
// every tensor in `needed_outside` that the nests write. Other tensors may vanish.
std::vector<KernelGroup> fuse(const std::vector<Nest>& nests,
                              const std::set<Tensor>& needed_outside,
                              const BlockLimits& limits = {});

// The same for one thread, of nests whose cheap maps have been computed inside their consumers
// already, and without blocks: how the parts of a blocked group (blocked_group.h) are made.
std::vector<KernelGroup> fuse_parts(const std::vector<Nest>& nests,
                                    const std::set<Tensor>& needed_outside);

}  // namespace tessera
