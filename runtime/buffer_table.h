#pragma once

#include <map>

#include "runtime/task_graph.h"

namespace tessera {

// Gives tensors buffers while the tasks of a graph are made, and says where their parts lie.
class BufferTable {
 public:
  // Both are kept.
  BufferTable(const ShardedProgram& program, TaskGraph& graph)
      : stacks_(stacks_of(program)), graph_(graph) {}

  // The buffer of a tensor, or of the one whose memory it shares, that is used in `scope`.
  int of(const Tensor& tensor, const Scope& scope);
  // One that stays for the whole step.
  void keep(const Tensor& tensor);
  // One without a tensor that is used anew in each iteration of the loops of `home`.
  int add(size_t bytes, const Scope& home);
  // Of the buffers that are used anew in each iteration of the loops of `home`; {}: in each step.
  std::map<int, int64_t> bytes_in(const Scope& home) const;
  bool may_end_early(const LoopStep& loop, size_t depth) const {
    return tessera::may_end_early(loop, depth, stacks_);
  }
  // Lets a tensor be the start of a buffer.
  void put(const Tensor& tensor, int buffer) { graph_.places[tensor] = {buffer, {}}; }
  // Where a part of a tensor lies; remembered in the graph.
  Reference place(const Tensor& part, const View& view, const Scope& scope);

 private:
  const std::map<Tensor, Stack> stacks_;
  TaskGraph& graph_;
  std::map<Tensor, int> buffers_;
};

}  // namespace tessera
