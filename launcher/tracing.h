#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "comm/clock_offset.h"
#include "launcher/config.h"
#include "runtime/executable.h"

namespace tessera {

// Records what every rank does during some steps of a job, for `tessera trace`. Outside of these
// steps nothing is recorded, and a task costs one comparison more. Times are those of rank 0's
// clock, from its beginning of the first of the steps: the clocks are compared before and after the
// steps, and in between a clock is taken to run evenly. All calls are made by every rank, in the
// same order.
//
//   Tracing tracing({.steps = 5, .from = 3}, world);
//   for (step 0, 1, …) {
//     tracing.before(step, executable);
//     …  tracing.span("feed", begin, end);  …
//     if (tracing.after(step, executable)) keep(tracing.take(executable, predicted));
//   }
class Tracing {
 public:
  // Seconds that a task is expected to take; may be empty, and is asked on rank 0 only.
  using Predicted = std::function<double(const Task&)>;

  Tracing(const TraceConfig& config, Communicator& world, RankClock clock = steady_rank_clock());

  // `step` counts the steps of this run from 0.
  void before(int64_t step, Executable& executable);
  // What this rank did beside the tasks, on its own clock.
  void span(const char* what, double begin, double end);
  // True after the last of the steps: then take() gives the trace.
  bool after(int64_t step, Executable& executable);
  bool recording() const { return recording_; }

  // On rank 0 the trace, a line of JSON about the job and one for each rank: what its tasks are,
  // and when each ran, in nanoseconds. Elsewhere "". Ends the recording.
  std::string take(Executable& executable, const Predicted& predicted);

 private:
  struct JobSpan {
    const char* what;
    int64_t step;
    double begin;
    double end;
  };
  struct StepSpan {
    int64_t step;
    TaskSpan span;
  };
  // What this rank's clock showed, and how it stood to rank 0's.
  struct Comparison {
    double at = 0;
    ClockOffset offset;
  };
  Comparison compare();
  int64_t nanoseconds(double mine) const;
  std::string rank_line(Executable& executable, const Predicted& predicted) const;
  std::string gather(const std::string& mine);

  const TraceConfig config_;
  Communicator& world_;
  const RankClock clock_;
  bool recording_ = false;
  int64_t step_ = 0;
  int64_t steps_ = 0;  // recorded
  int64_t first_ = 0;
  double zero_ = 0;  // on rank 0's clock
  Comparison before_;
  Comparison after_;
  std::vector<JobSpan> job_;
  std::vector<StepSpan> computing_;
  std::vector<StepSpan> communicating_;
  int64_t lost_ = 0;
};

}  // namespace tessera
