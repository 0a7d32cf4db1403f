#include "runtime/buffer_table.h"

namespace tessera {

int BufferTable::of(const Tensor& tensor, const Scope& scope) {
  const auto stack = stacks_.find(tensor);
  const bool stacked = stack != stacks_.end();
  if (stacked && stack->second.inside) return of(*stack->second.inside, scope);
  const auto it = buffers_.find(tensor);
  if (it != buffers_.end()) return it->second;
  const int64_t elements = stacked ? volume(tensor, stack->second) : volume(tensor.dims());
  const size_t home = stacked ? stack->second.home : 0;
  const int made = add(static_cast<size_t>(elements) * size_of(tensor.type()),
                       {scope.begin(), scope.begin() + static_cast<std::ptrdiff_t>(home)});
  graph_.buffers.back().tensors.push_back(tensor);
  buffers_.emplace(tensor, made);
  return made;
}

void BufferTable::keep(const Tensor& tensor) {
  const Reference there = place(tensor, {tensor, {}, {}}, {});
  graph_.buffers[static_cast<size_t>(there.buffer)].kept = true;
}

int BufferTable::add(size_t bytes, const Scope& home) {
  graph_.buffers.push_back({{}, bytes, 0, false, home});
  return static_cast<int>(graph_.buffers.size()) - 1;
}

std::map<int, int64_t> BufferTable::bytes_in(const Scope& home) const {
  std::map<int, int64_t> bytes;
  for (size_t b = 0; b < graph_.buffers.size(); ++b) {
    const Buffer& buffer = graph_.buffers[b];
    if (!buffer.kept && buffer.home == home)
      bytes[static_cast<int>(b)] = static_cast<int64_t>(buffer.bytes);
  }
  return bytes;
}

Reference BufferTable::place(const Tensor& part, const View& view, const Scope& scope) {
  const auto it = graph_.places.find(part);
  if (it != graph_.places.end()) return it->second;
  const Reference made{of(view.whole, scope), place_of(view, stacks_)};
  graph_.places.emplace(part, made);
  return made;
}

}  // namespace tessera
