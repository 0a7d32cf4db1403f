#pragma once

#include <vector>

#include "runtime/task_graph.h"

namespace tessera {

// Sorts and renumbers tasks, whose `depends` may point anywhere without a cycle, into the order in
// which they start when two streams work through them, and adds the dependency of each task on the
// one before it on its stream, or of a loop on both. Communication tasks keep their relative order;
// among compute tasks that are ready the one with the longest way to the end goes first (list
// scheduling by critical path; Graham, 1966), so that gradients leave early and updates wait for
// them last.
void order_tasks(std::vector<Task>& tasks);

}  // namespace tessera
