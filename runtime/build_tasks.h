#pragma once

#include <map>
#include <set>
#include <vector>

#include "runtime/buffer_table.h"

namespace tessera {

// How often something reads each tensor: steps, loops that begin with it or carry it on, updates
// and outputs.
std::map<Tensor, int> count_readers(const ShardedProgram& program);

// What the steps of all scopes are made into tasks with.
struct TaskMaking {
  const std::map<Tensor, size_t>& depths;  // loop_depths
  const std::map<Tensor, int>& readers;    // count_readers
  BufferTable& buffers;
  const Grouping& grouping;
  int loops = 0;              // met so far
  std::vector<int> counters;  // buffers of those around, outermost first
};

// The tasks of the steps of one scope, by number and not yet ordered: `depends` holds what data
// asks for, and the order of what communicates.
struct ScopeTasks {
  std::vector<Task> tasks;
  std::map<Tensor, size_t> writer;  // the task that writes a tensor, or its current part
  std::map<Tensor, std::vector<size_t>> readers;
  std::optional<Reference> while_holds;  // of the loop around

  void depend(size_t task, size_t on);
};

double copy_seconds(size_t bytes);  // an estimate

// Tasks of the steps that are in the loops `scope`, which iterate `loops`; these are the body of
// `loop` if there is any, and begin with the copies of what it carries. Orders the bodies of the
// loops within.
ScopeTasks make_tasks(const std::vector<Step>& steps, const LoopStep* loop, const Scope& scope,
                      const Dims& loops, TaskMaking& making);

}  // namespace tessera
