#include "placement/timeline.h"

#include <algorithm>
#include <map>

namespace tessera {

Timeline timeline_of(const ShardedProgram& program, const KernelSeconds& kernels,
                     const CommCost& comm) {
  Timeline line;
  std::map<Tensor, size_t> made_by;
  double compute_free = 0, comm_free = 0;
  size_t last_comm = 0;
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const Step& step = program.steps[i];
    TimedStep timed;
    double ready = 0;
    size_t latest = i;  // the input that is there last
    for (const Tensor& input : inputs_of(step)) {
      auto it = made_by.find(input);
      if (it == made_by.end()) continue;
      double end = line.steps[it->second].start + line.steps[it->second].seconds;
      if (end <= ready) continue;
      ready = end;
      latest = it->second;
    }
    if (const CommStep* moved = std::get_if<CommStep>(&step)) {
      timed.seconds = comm.seconds(moved->kind, program.mesh, moved->axes, moved->bytes);
      timed.start = std::max(ready, comm_free);
      comm_free = timed.start + timed.seconds;
      line.communicate += timed.seconds;
      last_comm = i;
    } else {
      timed.seconds = kernels(std::get<ComputeStep>(step).nest);
      timed.start = std::max(ready, compute_free);
      if (ready > compute_free && latest != i) line.steps[latest].exposed += ready - compute_free;
      compute_free = timed.start + timed.seconds;
      line.compute += timed.seconds;
    }
    line.steps.push_back(timed);
    made_by[output_of(step)] = i;
  }
  if (comm_free > compute_free) line.steps[last_comm].exposed += comm_free - compute_free;
  line.end = std::max(compute_free, comm_free);
  return line;
}

}  // namespace tessera
