#include "placement/timeline.h"

#include <algorithm>
#include <map>

#include "partition/comm_steps.h"
#include "partition/iteration.h"

namespace tessera {
namespace {

// Takes a part of what is there already. The copy becomes one kernel with its reader, whose price
// has the reading in it, as in the objective (predict.h).
bool slices(const ComputeStep& step) {
  return !step.nest.op && step.origin != step.nest.out.name();
}

class Clock {
 public:
  Clock(const ShardedProgram& program, const KernelSeconds& kernels, const CommCost& comm)
      : program_(program), kernels_(kernels), comm_(comm), depths_(loop_depths(program)) {}

  Timeline run() {
    line_.end = run_steps(program_.steps, {});
    for (const TimedStep& timed : line_.steps)
      (std::holds_alternative<CommStep>(*timed.step) ? line_.communicate : line_.compute) +=
          timed.seconds;
    return std::move(line_);
  }

 private:
  // When the streams are free again, and since when which step's results are there, from the start
  // of the list.
  struct Streams {
    double compute = 0;
    double comm = 0;
    size_t last_comm = SIZE_MAX;
    struct Made {
      double end;
      size_t by;  // SIZE_MAX: a loop
    };
    std::map<Tensor, Made> made;
  };

  // Returns the seconds that they take, once.
  double run_steps(const std::vector<Step>& steps, const Dims& loops) {
    IterationParts iteration(loops, depths_);
    Streams streams;
    for (const Step& step : steps) {
      if (const LoopStep* loop = std::get_if<LoopStep>(&step)) {
        run_loop(step, *loop, loops, streams);
      } else if (const CommStep* comm = std::get_if<CommStep>(&step)) {
        run_one(step,
                comm_.seconds(comm->kind, program_.mesh, comm->axes, comm->bytes) +
                    comm_.copying(copied_bytes(*comm, loops.size())),
                streams);
      } else {
        const ComputeStep& compute = std::get<ComputeStep>(step);
        run_one(step, slices(compute) ? 0 : kernels_(iteration.part(compute.nest)), streams);
      }
    }
    if (streams.comm > streams.compute && streams.last_comm != SIZE_MAX)
      line_.steps[streams.last_comm].exposed += streams.comm - streams.compute;
    return std::max(streams.compute, streams.comm);
  }

  // When all inputs are there, and by which step the last of them.
  static Streams::Made inputs_there(const Step& step, const Streams& streams) {
    Streams::Made latest{0, SIZE_MAX};
    for (const Tensor& input : inputs_of(step)) {
      const auto it = streams.made.find(input);
      if (it != streams.made.end() && it->second.end > latest.end) latest = it->second;
    }
    return latest;
  }

  void run_one(const Step& step, double seconds, Streams& streams) {
    const Streams::Made ready = inputs_there(step, streams);
    const bool comm = std::holds_alternative<CommStep>(step);
    double& free = comm ? streams.comm : streams.compute;
    if (!comm && ready.end > free && ready.by != SIZE_MAX)
      line_.steps[ready.by].exposed += ready.end - free;
    const double start = std::max(ready.end, free);
    free = start + seconds;
    if (comm) streams.last_comm = line_.steps.size();
    streams.made.insert_or_assign(outputs_of(step)[0], Streams::Made{free, line_.steps.size()});
    line_.steps.push_back({&step, 1, start, seconds, 0});
  }

  void run_loop(const Step& step, const LoopStep& loop, Dims loops, Streams& streams) {
    loops.push_back(loop.over);
    const Streams::Made ready = inputs_there(step, streams);
    if (ready.end > streams.compute && ready.by != SIZE_MAX)
      line_.steps[ready.by].exposed += ready.end - streams.compute;
    const size_t first = line_.steps.size();
    const double each = run_steps(loop.body, loops);
    const int64_t count = loop.over.extent();
    bool communicates = false;
    for (size_t i = first; i < line_.steps.size(); ++i)
      communicates = communicates || std::holds_alternative<CommStep>(*line_.steps[i].step);
    const double start = std::max({ready.end, streams.compute, communicates ? streams.comm : 0.0});
    for (size_t i = first; i < line_.steps.size(); ++i) {
      TimedStep& timed = line_.steps[i];
      timed.times *= count;
      timed.seconds *= static_cast<double>(count);
      timed.exposed *= static_cast<double>(count);
      timed.start = start;
    }
    streams.compute = start + each * static_cast<double>(count);
    if (communicates) streams.comm = streams.compute;
    for (const Tensor& tensor : outputs_of(step))
      streams.made.insert_or_assign(tensor, Streams::Made{streams.compute, SIZE_MAX});
  }

  const ShardedProgram& program_;
  const KernelSeconds& kernels_;
  const CommCost& comm_;
  const std::map<Tensor, size_t> depths_;
  Timeline line_;
};

}  // namespace

Timeline timeline_of(const ShardedProgram& program, const KernelSeconds& kernels,
                     const CommCost& comm) {
  return Clock(program, kernels, comm).run();
}

}  // namespace tessera
