#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "codegen/kernel_group.h"
#include "partition/scopes.h"
#include "partition/stacks.h"
#include "runtime/allocate.h"

namespace tessera {

enum class TaskKind : uint8_t {
  compute,      // one kernel
  communicate,  // one collective
  copy,         // from one place to another
  loop          // tasks that run once for each index of a dim
};

// A place in a buffer, for the iteration of the loops around; elements of the tensor there.
struct Reference {
  int buffer = -1;
  StackPlace place;
};

// One piece of work of one step. `depends` holds what it waits for, lower numbers all of the same
// list: data, and the task before it on the same stream. Compute and copies are one stream,
// communication another; the streams overlap. A loop in which something communicates is on both,
// and they wait for one another at the end of each iteration.
struct Task {
  TaskKind kind = TaskKind::compute;
  std::string name;  // for messages and traces: "h1", "all-reduce d_w1"
  std::vector<int> depends;
  std::vector<int> buffers;      // that it reads or writes, itself or in its body
  KernelGroup group;             // of a compute task
  std::optional<CommStep> comm;  // of a communicate task
  int staging = -1;              // buffer in which a collective packs and unpacks
  Reference source;              // of a copy
  Reference target;
  std::optional<Tensor> copied;  // the tensor that a copy writes
  // Of a copy that begins the iterations of a loop: `source` is for the first one. The others copy
  // from `before`, in the iteration before, or nothing, where it lies in place already.
  bool begins_iteration = false;
  std::optional<Reference> before;
  size_t bytes = 0;         // of a copy
  size_t element = 1;       // bytes of one, of a copy
  std::optional<Dim> over;  // of a loop; of a copy that begins its iterations, too
  bool descending = false;
  Scope scope;  // that the body is in
  std::vector<Task> body;
  // Of a loop: a bool that is false when one more iteration gives all that the rest would.
  std::optional<Reference> while_holds;
  int counter = -1;     // buffer that holds the index, an i32
  int frame = -1;       // buffer for what nothing outside of an iteration uses
  double estimate = 0;  // seconds, for ordering only
  SourceLocation where;
};

// Does it, or something in its body, communicate?
bool communicates(const Task& task);
const char* stream_of(const Task& task);  // "compute", "comm" or "both"

// A place in the arena. Several tensors share one when a new value replaces an old one in place.
struct Buffer {
  std::vector<Tensor> tensors;
  size_t bytes = 0;
  size_t offset = 0;
  bool kept = false;  // inputs, parameters, states and outputs live for the whole step
  // The loops, by their order in the program, in each of whose iterations it is used anew.
  Scope home;
};

// What one rank does in one step, in an order fixed when it is built.
struct TaskGraph {
  std::string name;
  int rank = 0;
  std::vector<Task> tasks;
  std::vector<Buffer> buffers;
  std::map<Tensor, Reference> places;  // of all tensors and parts of tensors that tasks name
  size_t arena_bytes = 0;

  // Bytes from the start of the arena, of a tensor outside of loops.
  size_t offset_of(const Tensor& tensor) const;
};

// Calls `body` for each task that is no loop, those inside loops too, in order.
void each_task(const std::vector<Task>& tasks, const std::function<void(const Task&)>& body);

// How nests become kernels: as fuse() does it, when there is nothing.
using Grouping = std::function<std::vector<KernelGroup>(const std::vector<Nest>& nests,
                                                        const std::set<Tensor>& needed_outside)>;

// Fuses nests into kernels (never across a collective or loop that lies between them), orders tasks
// so that collectives start early and are waited for late, lets updates happen in place where no
// reader of the old value is left, and gives every buffer its place.
//
// Collectives keep the order of `program`, which is the same on every rank; each rank may order
// its kernels as suits it. No rank can wait in a circle: the order is topological on each.
TaskGraph build_task_graph(const ShardedProgram& program, const Grouping& grouping = {});

// Throws InternalError unless dependencies point backwards and every task that reads a tensor
// surely starts after the one that writes it ended.
void verify(const TaskGraph& graph);

// One line a task: number, stream, name, dependencies, buffers.
std::string print(const TaskGraph& graph);

// What all ranks must agree on before the first step: the sequence of collectives with their
// groups, types and blocks, and the structure of the program. Equal texts on all ranks.
std::string agreement_text(const ShardedProgram& program);

}  // namespace tessera
