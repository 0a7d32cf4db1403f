#pragma once

#include "runtime/task_graph.h"

namespace tessera {

// Marks the outputs of kernels that caches cannot keep until somebody reads them, so that they are
// written past the caches (KernelGroup::past_caches): a line that is written whole is then not read
// from memory first. Outputs that lie where an input lay are left alone, since their lines are in
// cache when they are written; so are those that the kernel itself reads, and what loops compute,
// whose iterations are small.
//
//   y[n] = a * x[n], n = 100,000,000      moves 800 MB rather than 1,200
void mark_past_caches(TaskGraph& graph);

}  // namespace tessera
