#include "runtime/past_caches.h"

#include <algorithm>

#include "codegen/machine.h"
#include "ir/structure.h"

namespace tessera {
namespace {

constexpr size_t kSmallestCache = 8 << 20;  // where the host says nothing, or little

int buffer_of(const TaskGraph& graph, const Tensor& tensor) {
  return graph.places.at(tensor).buffer;
}

bool lies_on_an_input(const TaskGraph& graph, const KernelGroup& group, int buffer) {
  return std::any_of(group.inputs.begin(), group.inputs.end(),
                     [&](const Tensor& input) { return buffer_of(graph, input) == buffer; });
}

bool is_read_within(const KernelGroup& group, const Tensor& tensor) {
  return std::any_of(group.nests.begin(), group.nests.end(), [&](const Nest& nest) {
    const std::vector<Tensor> read = tensors_read(nest.body);
    return std::find(read.begin(), read.end(), tensor) != read.end();
  });
}

}  // namespace

void mark_past_caches(TaskGraph& graph) {
  const size_t caches =
      std::max(kSmallestCache, static_cast<size_t>(vectors_of(CpuLevel::host).l3_bytes));
  for (Task& task : graph.tasks) {
    if (task.kind != TaskKind::compute) continue;
    for (const Tensor& output : task.group.outputs) {
      const size_t bytes = static_cast<size_t>(volume(output.dims())) * size_of(output.type());
      const int buffer = buffer_of(graph, output);
      // A tensor that shares a buffer need not begin where a cache line does.
      const bool whole = graph.buffers[static_cast<size_t>(buffer)].bytes == bytes;
      if (bytes >= caches && whole && !lies_on_an_input(graph, task.group, buffer) &&
          !is_read_within(task.group, output))
        task.group.past_caches.insert(output);
    }
  }
}

}  // namespace tessera
