// How an executor gets ready: kernels, pointers, groups of ranks, events.
#include <algorithm>
#include <functional>

#include "comm/work_together.h"
#include "runtime/execute_state.h"

namespace tessera {

Pointer Executor::State::pointer_to(const Reference& reference, int64_t element) const {
  return {buffer(reference.buffer), reference.place, element};
}

Pointer Executor::State::pointer_to(const Tensor& tensor) const {
  return pointer_to(graph.places.at(tensor), static_cast<int64_t>(size_of(tensor.type())));
}

KernelSource Executor::State::source_of(const KernelGroup& group) const {
  KernelSource source{group, {}};
  for (const std::vector<Tensor>* tensors : {&group.inputs, &group.outputs})
    for (const Tensor& tensor : *tensors) source.loose.push_back(pointer_to(tensor).loose());
  return source;
}

void Executor::State::prepare() {
  std::vector<KernelSource> sources;
  const std::function<void(std::vector<Job>&)> collect = [&](std::vector<Job>& list) {
    for (Job& job : list) {
      collect(job.body);
      if (job.task->kind != TaskKind::compute) continue;
      sources.push_back(source_of(job.task->group));
      kernels.push_back(&job);
    }
  };
  collect(jobs);
  std::vector<std::unique_ptr<DeviceKernel>> compiled;
  work_together(world, "compiling", [&] { compiled = device.compile(sources); });
  size_t scratch_bytes = 0;
  const std::vector<int64_t> none(kernels.size(), 0);
  faults = device.allocate(none.size() * sizeof(int64_t));
  for (size_t i = 0; i < kernels.size(); ++i) {
    scratch_bytes = std::max(scratch_bytes, compiled[i]->scratch_bytes);
    own_fault = own_fault || !compiled[i]->faults.empty();
    kernels[i]->kernel = std::move(compiled[i]);
    kernels[i]->fault = faults.at(i * sizeof(int64_t));
  }
  streams[0]->reserve_scratch(scratch_bytes);
  streams[0]->to_device(faults.place(), none.data(), faults.bytes());
  streams[0]->wait();
  const int32_t own = own_fault ? 1 : 0;
  int32_t any = 0;
  world.set_context("comparing which kernels may read outside a tensor");
  world.all_reduce(&own, &any, 1, DType::i32, ReduceOp::max);
  may_fault = any != 0;
  find_pointers(jobs);
}

void Executor::State::find_pointers(std::vector<Job>& list) {
  for (Job& job : list) {
    const Task& task = *job.task;
    find_pointers(job.body);
    if (task.while_holds) job.while_holds = pointer_to(*task.while_holds, 1);
    if (job.kernel)
      for (const Tensor& tensor : job.kernel->arguments)
        job.arguments.push_back(pointer_to(tensor));
    job.addresses.resize(job.arguments.size());
    if (task.kind == TaskKind::communicate) {
      job.input = pointer_to(task.comm->input);
      job.output = pointer_to(task.comm->output);
    }
    if (task.kind != TaskKind::copy) continue;
    const auto element = static_cast<int64_t>(task.element);
    job.arguments = {pointer_to(task.source, element), pointer_to(task.target, element)};
    if (task.before) job.arguments.push_back(pointer_to(*task.before, element));
  }
}

void Executor::State::make_groups(std::vector<Job>& list) {
  for (Job& job : list) {
    make_groups(job.body);
    if (job.task->kind != TaskKind::communicate) continue;
    const CommStep& comm = *job.task->comm;
    const std::vector<int> key(comm.axes.begin(), comm.axes.end());
    auto it = groups.find(key);
    if (it == groups.end())
      it = groups
               .emplace(key,
                        device.collectives(world.split(comm.group.front(), comm.me), *streams[1]))
               .first;
    job.group = it->second.get();
  }
}

// Events of all jobs, since the two streams wait for each other's.
void Executor::State::make_events(std::vector<Job>& list) {
  for (Job& job : list) {
    make_events(job.body);
    job.done = device.make_event();
    by_number.emplace(job.number, &job);
  }
}

}  // namespace tessera
