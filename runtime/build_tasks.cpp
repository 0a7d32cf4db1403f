#include "runtime/build_tasks.h"

#include <algorithm>

#include "base/error.h"
#include "ir/structure.h"
#include "runtime/order_tasks.h"
#include "runtime/staging.h"

namespace tessera {
namespace {

// Rates good enough to order tasks by; nothing else depends on them.
constexpr double kFlopsPerSecond = 5e10;
constexpr double kBytesPerSecond = 1e10;
constexpr double kCommBytesPerSecond = 2e9;
constexpr double kLaunchSeconds = 2e-6;
constexpr double kCommSeconds = 2e-5;

size_t bytes_of(const Tensor& tensor) {
  return static_cast<size_t>(volume(tensor.dims())) * size_of(tensor.type());
}

class Builder {
 public:
  Builder(const std::vector<Step>& steps, const LoopStep* loop, const Scope& scope,
          const Dims& loops, TaskMaking& making)
      : steps_(steps),
        loop_(loop),
        scope_(scope),
        loops_(loops),
        making_(making),
        iteration_(loops, making.depths) {
    for (size_t i = 0; i < loops.size(); ++i)
      making.buffers.put(iteration_.counters()[i], making.counters[i]);
  }

  ScopeTasks run() {
    if (loop_ != nullptr)
      for (const Carry& carry : loop_->carries) add_carry(carry);
    find_levels();
    for (const auto& [level, nests] : nests_)
      for (KernelGroup& group : making_.grouping(nests, needed_)) add_kernel(std::move(group));
    for (const Step& step : steps_) {
      if (const CommStep* comm = std::get_if<CommStep>(&step)) add_comm(*comm);
      if (const LoopStep* loop = std::get_if<LoopStep>(&step)) add_loop(step, *loop);
    }
    connect();
    if (loop_ != nullptr && loop_->while_holds &&
        making_.buffers.may_end_early(*loop_, loops_.size())) {
      const Tensor part = iteration_.part(*loop_->while_holds);
      made_.while_holds = making_.buffers.place(part, iteration_.view(part), scope_);
    }
    return std::move(made_);
  }

 private:
  // Does a view of a tensor that is computed here show what this iteration computes? Otherwise it
  // shows what earlier ones did.
  bool is_current(const View& view) const {
    const auto it = making_.depths.find(view.whole);
    return it == making_.depths.end() || view.lead.size() >= std::min(it->second, loops_.size());
  }

  // The tensors of which a step needs what this iteration computes.
  std::set<Tensor> needs_of(const Step& step) {
    std::set<Tensor> needs;
    if (!std::holds_alternative<ComputeStep>(step)) {
      for (const Tensor& input : inputs_of(step)) needs.insert(input);
      return needs;
    }
    for (const Tensor& part : tensors_read(parts_.at(&step).body)) {
      const View view = iteration_.view(part);
      (is_current(view) ? needs : outlive_).insert(view.whole);
    }
    return needs;
  }

  // The level of a tensor is the number of collectives and loops, in the order in which they run,
  // that must have ended before it can be there. Nests are fused within one level only, so that no
  // kernel waits for a collective that comes after one which waits for the kernel.
  void find_levels() {
    std::map<Tensor, int> read_here;  // by nests of the same level
    std::map<Tensor, Tensor> part_of;
    int barriers = 0;
    for (const Step& step : steps_) {
      const ComputeStep* compute = std::get_if<ComputeStep>(&step);
      if (compute != nullptr) parts_.emplace(&step, iteration_.part(compute->nest));
      int level = 0;
      const std::set<Tensor> needs = needs_of(step);
      for (const Tensor& need : needs) {
        const auto it = level_.find(need);
        if (it != level_.end()) level = std::max(level, it->second);
      }
      if (compute == nullptr) {
        ++barriers;
        for (const Tensor& output : outputs_of(step)) level_.insert_or_assign(output, barriers);
        continue;
      }
      level_.insert_or_assign(compute->nest.out, level);
      part_of.emplace(compute->nest.out, parts_.at(&step).out);
      for (const Tensor& need : needs) {
        const auto it = level_.find(need);
        if (it != level_.end() && it->second == level) ++read_here[need];
      }
      nests_[level].push_back(parts_.at(&step));
    }
    for (const auto& [whole, part] : part_of) {
      const auto readers = making_.readers.find(whole);
      const int all = readers == making_.readers.end() ? 0 : readers->second;
      if (all > read_here[whole] || outlive_.count(whole) != 0) needed_.insert(part);
    }
  }

  Tensor whole_of(const Tensor& part) const { return iteration_.view(part).whole; }

  int touch(const Tensor& part) {
    return making_.buffers.place(part, iteration_.view(part), scope_).buffer;
  }

  size_t add(Task task) {
    std::sort(task.buffers.begin(), task.buffers.end());
    task.buffers.erase(std::unique(task.buffers.begin(), task.buffers.end()), task.buffers.end());
    made_.tasks.push_back(std::move(task));
    return made_.tasks.size() - 1;
  }

  void reads(size_t task, const Tensor& whole) { made_.readers[whole].push_back(task); }
  void writes(size_t task, const Tensor& whole) { made_.writer.insert_or_assign(whole, task); }

  void add_carry(const Carry& carry) {
    IterationParts around({loops_.begin(), loops_.end() - 1}, making_.depths);
    const Tensor target = iteration_.part(carry.carried);
    const Tensor first = around.part(carry.initial);
    View before = iteration_.view(iteration_.part(carry.next));
    const Reference next = making_.buffers.place(iteration_.part(carry.next), before, scope_);
    Task task;
    task.kind = TaskKind::copy;
    task.name = "begin " + carry.carried.name();
    task.where = carry.carried.where();
    task.begins_iteration = true;
    task.over = loop_->over;
    task.descending = loop_->descending;
    task.element = size_of(carry.carried.type());
    task.copied = target;
    const Scope outer(scope_.begin(), scope_.end() - 1);
    task.source = making_.buffers.place(first, around.view(first), outer);
    task.target = making_.buffers.place(target, iteration_.view(target), scope_);
    if (next.buffer != task.target.buffer) task.before = next;
    task.bytes = bytes_of(target);
    task.buffers = {task.source.buffer, task.target.buffer, next.buffer};
    task.estimate = copy_seconds(task.bytes);
    writes(add(std::move(task)), carry.carried);
  }

  void add_kernel(KernelGroup group) {
    Task task;
    task.kind = TaskKind::compute;
    std::vector<std::string> written;
    for (const Tensor& output : group.outputs) written.push_back(output.name());
    task.name = join(written, "+");
    task.where = group.nests.back().out.where();
    task.estimate = kLaunchSeconds + std::max(flops_of(group) / kFlopsPerSecond,
                                              tessera::bytes_of(group) / kBytesPerSecond);
    for (const Tensor& tensor : group.inputs) task.buffers.push_back(touch(tensor));
    for (const Tensor& tensor : group.outputs) task.buffers.push_back(touch(tensor));
    task.group = group;
    const size_t number = add(std::move(task));
    for (const Tensor& tensor : group.inputs)
      if (is_current(iteration_.view(tensor))) reads(number, whole_of(tensor));
    for (const Tensor& tensor : group.outputs) writes(number, whole_of(tensor));
  }

  void add_comm(const CommStep& step) {
    Task task;
    task.kind = TaskKind::communicate;
    task.comm = iteration_.part(step);
    task.name = std::string(name_of(step.kind)) + " " + step.origin;
    task.where = step.output.where();
    task.estimate = kCommSeconds + static_cast<double>(step.bytes) / kCommBytesPerSecond;
    task.buffers = {touch(task.comm->input), touch(task.comm->output)};
    if (const size_t bytes = staging_bytes(*task.comm)) {
      task.staging = making_.buffers.add(bytes, scope_);
      task.buffers.push_back(task.staging);
    }
    const size_t number = add(std::move(task));
    reads(number, step.input);
    writes(number, step.output);
  }

  void add_loop(const Step& step, const LoopStep& loop) {
    Task task;
    task.kind = TaskKind::loop;
    task.name = "loop " + loop.over.name() + " x" + std::to_string(loop.over.extent());
    task.where = loop.over.where();
    task.over = loop.over;
    task.descending = loop.descending;
    Scope inner = scope_;
    inner.push_back(making_.loops++);
    Dims loops = loops_;
    loops.push_back(loop.over);
    task.scope = inner;
    task.counter = making_.buffers.add(sizeof(int32_t), scope_);
    task.frame = making_.buffers.add(0, scope_);
    task.buffers = {task.counter, task.frame};
    making_.counters.push_back(task.counter);
    ScopeTasks body = make_tasks(loop.body, &loop, inner, loops, making_);
    making_.counters.pop_back();
    order_tasks(body.tasks, making_.buffers.bytes_in(inner));
    for (const Task& each : body.tasks) {
      task.estimate += each.estimate * static_cast<double>(loop.over.extent());
      task.buffers.insert(task.buffers.end(), each.buffers.begin(), each.buffers.end());
    }
    if (body.while_holds) task.buffers.push_back(body.while_holds->buffer);
    task.while_holds = body.while_holds;
    task.body = std::move(body.tasks);
    const size_t number = add(std::move(task));
    for (const Tensor& input : inputs_of(step)) reads(number, input);
    for (const Tensor& output : outputs_of(step)) writes(number, output);
  }

  void connect() {
    size_t last = made_.tasks.size();
    for (size_t t = 0; t < made_.tasks.size(); ++t) {
      if (!communicates(made_.tasks[t])) continue;
      if (last < t) made_.depend(t, last);
      last = t;
    }
    for (const auto& [tensor, tasks] : made_.readers) {
      const auto it = made_.writer.find(tensor);
      if (it == made_.writer.end()) continue;
      for (size_t reader : tasks) made_.depend(reader, it->second);
    }
  }

  const std::vector<Step>& steps_;
  const LoopStep* loop_;
  const Scope& scope_;
  const Dims& loops_;
  TaskMaking& making_;
  IterationParts iteration_;
  std::map<const Step*, Nest> parts_;
  std::map<Tensor, int> level_;
  std::map<int, std::vector<Nest>> nests_;  // by level
  std::set<Tensor> outlive_;                // of which earlier iterations' parts are read
  std::set<Tensor> needed_;                 // parts that outlive their kernel
  ScopeTasks made_;
};

void count(const std::vector<Step>& steps, std::map<Tensor, int>& readers) {
  for (const Step& step : steps) {
    if (const LoopStep* loop = std::get_if<LoopStep>(&step)) {
      count(loop->body, readers);
      for (const Carry& carry : loop->carries) {
        ++readers[carry.initial];
        ++readers[carry.next];
      }
      if (loop->while_holds) ++readers[*loop->while_holds];
      continue;
    }
    for (const Tensor& input : inputs_of(step)) ++readers[input];
  }
}

}  // namespace

double copy_seconds(size_t bytes) {
  return kLaunchSeconds + 2 * static_cast<double>(bytes) / kBytesPerSecond;
}

void ScopeTasks::depend(size_t task, size_t on) {
  std::vector<int>& list = tasks[task].depends;
  if (std::find(list.begin(), list.end(), static_cast<int>(on)) == list.end())
    list.push_back(static_cast<int>(on));
}

std::map<Tensor, int> count_readers(const ShardedProgram& program) {
  std::map<Tensor, int> readers;
  count(program.steps, readers);
  for (const Border& border : program.outputs) ++readers[border.local];
  for (const LocalUpdate& update : program.updates) ++readers[update.value];
  return readers;
}

ScopeTasks make_tasks(const std::vector<Step>& steps, const LoopStep* loop, const Scope& scope,
                      const Dims& loops, TaskMaking& making) {
  return Builder(steps, loop, scope, loops, making).run();
}

}  // namespace tessera
