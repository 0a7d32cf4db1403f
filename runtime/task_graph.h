#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codegen/kernel_group.h"
#include "partition/sharded_program.h"
#include "runtime/allocate.h"

namespace tessera {

enum class TaskKind : uint8_t {
  compute,      // one kernel
  communicate,  // one collective
  copy          // the new value of a parameter or state to where it is kept
};

// One piece of work of one step. `depends` holds what it waits for, lower numbers all: data, and
// the task before it on the same stream. Compute and copies are one stream, communication another;
// the streams overlap.
struct Task {
  TaskKind kind = TaskKind::compute;
  std::string name;  // for messages and traces: "h1", "all-reduce d_w1"
  std::vector<int> depends;
  std::vector<int> buffers;      // that it reads or writes
  KernelGroup group;             // of a compute task
  std::optional<CommStep> comm;  // of a communicate task
  int staging = -1;              // buffer in which a collective packs and unpacks
  int source = -1;               // of a copy
  int target = -1;
  double estimate = 0;  // seconds, for ordering only
  SourceLocation where;
};

// A place in the arena. Several tensors share one when a new value replaces an old one in place.
struct Buffer {
  std::vector<Tensor> tensors;
  size_t bytes = 0;
  size_t offset = 0;
  bool kept = false;  // inputs, parameters, states and outputs live for the whole step
};

// What one rank does in one step, in an order fixed when it is built.
struct TaskGraph {
  std::string name;
  int rank = 0;
  std::vector<Task> tasks;
  std::vector<Buffer> buffers;
  std::map<Tensor, int> buffer_of;
  size_t arena_bytes = 0;

  size_t offset_of(const Tensor& tensor) const;
};

// Fuses nests into kernels (never across a collective that lies between them), orders tasks so that
// collectives start early and are waited for late, lets updates happen in place where no reader of
// the old value is left, and gives every buffer its place.
//
// Collectives keep the order of `program`, which is the same on every rank; each rank may order
// its kernels as suits it. No rank can wait in a circle: the order is topological on each.
TaskGraph build_task_graph(const ShardedProgram& program);

// Throws InternalError unless dependencies point backwards and every task that reads a tensor
// surely starts after the one that writes it ended.
void verify(const TaskGraph& graph);

// One line a task: number, stream, name, dependencies, buffers.
std::string print(const TaskGraph& graph);

// What all ranks must agree on before the first step: the sequence of collectives with their
// groups, types and blocks, and the structure of the program. Equal texts on all ranks.
std::string agreement_text(const ShardedProgram& program);

}  // namespace tessera
