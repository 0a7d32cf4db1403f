#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

// What trace.jsonl holds (launcher/tracing.h). Times are nanoseconds on rank 0's clock since the
// first of the steps began.
struct TracedTask {
  std::string name;
  std::string kind;   // compute, communicate, copy, loop
  std::string where;  // "fit.tess:9:1", or ""
  int64_t bytes = 0;  // that a collective moves
  std::vector<int> group;
  std::optional<double> predicted_seconds;
};

struct TracedSpan {
  int64_t step = 0;
  int task = -1;  // -1: the end of the step, at which computing waits for communicating
  int64_t iteration = -1;
  int64_t ready = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

struct TracedJobSpan {
  int64_t step = 0;
  std::string what;  // feed, step, outputs, checkpoint, evaluate
  int64_t begin = 0;
  int64_t end = 0;
};

struct TracedRank {
  int rank = 0;
  std::string host;
  double clock_error_seconds = 0;
  int64_t lost = 0;  // spans that were too many
  std::vector<TracedTask> tasks;
  std::vector<TracedSpan> computing;
  std::vector<TracedSpan> communicating;
  std::vector<TracedJobSpan> job;
};

struct Trace {
  std::string program;
  int64_t first_step = 1;
  int64_t steps = 0;
  std::vector<TracedRank> ranks;
};

// Of a run's folder, or a trace.jsonl. UserError when there is none, and with file and line when it
// is damaged.
Trace read_trace(const std::string& run);

// Mean times of a step on one rank, in seconds.
struct RankTimes {
  double step = 0;
  double computing = 0;      // kernels and copies
  double communicating = 0;  // collectives, in which
  double for_peers = 0;      // ... the rank waited for one that came later
  double waiting = 0;        // exposed: nothing computed because of communication
};
RankTimes times_of(const Trace& trace, size_t rank);

// Of the ranks that take part in a collective, who came last, and how long each waited for it.
struct Gathering {
  int last = 0;
  int64_t begin = 0;  // of the last one
};
// For the spans in `communicating` of a rank, one each.
std::vector<Gathering> gatherings_of(const Trace& trace, size_t rank);

}  // namespace tessera
