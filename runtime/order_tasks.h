#pragma once

#include <map>
#include <vector>

#include "runtime/task_graph.h"

namespace tessera {

// Sorts and renumbers tasks, whose `depends` may point anywhere without a cycle, into the order in
// which they start when two streams work through them, and adds the dependency of each task on the
// one before it on its stream, or of a loop on both. Communication tasks keep their relative order.
// Among compute tasks that are ready, those go first that a collective waits for, so that gradients
// leave early; then those that free memory, such as updates; and of these the one with the longest
// way to the end (list scheduling by critical path; Graham, 1966). `bytes` are those of the buffers
// that do not stay for the whole step.
void order_tasks(std::vector<Task>& tasks, const std::map<int, int64_t>& bytes);

}  // namespace tessera
