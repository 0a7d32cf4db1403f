#include "launcher/trace_file.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/read_file.h"

namespace tessera {
namespace {

constexpr size_t kMostBytes = size_t{4} << 30;
using Json = nlohmann::json;

TracedTask task_of(const Json& json) {
  TracedTask task{json.at("name"),
                  json.at("kind"),
                  json.value("where", ""),
                  json.value("bytes", int64_t{0}),
                  json.value("group", std::vector<int>{}),
                  {}};
  if (json.contains("predicted_seconds")) task.predicted_seconds = json["predicted_seconds"];
  return task;
}

std::vector<TracedSpan> spans_of(const Json& json, size_t tasks) {
  std::vector<TracedSpan> spans;
  for (const Json& each : json) {
    TracedSpan span{each.at(0), each.at(1), each.at(2), each.at(3), each.at(4), each.at(5)};
    if (span.task < -1 || span.task >= static_cast<int>(tasks))
      throw UserError("a span names task " + std::to_string(span.task) + " of " +
                      std::to_string(tasks));
    spans.push_back(span);
  }
  return spans;
}

TracedRank rank_of(const Json& json) {
  TracedRank rank;
  rank.rank = json.at("rank");
  rank.host = json.at("host");
  rank.clock_error_seconds = json.at("clock_error_seconds");
  rank.lost = json.at("lost");
  for (const Json& task : json.at("tasks")) rank.tasks.push_back(task_of(task));
  rank.computing = spans_of(json.at("computing"), rank.tasks.size());
  rank.communicating = spans_of(json.at("communicating"), rank.tasks.size());
  for (const Json& each : json.at("job"))
    rank.job.push_back({each.at(0), each.at(1), each.at(2), each.at(3)});
  return rank;
}

double seconds(int64_t nanoseconds) {
  return 1e-9 * static_cast<double>(nanoseconds);
}

}  // namespace

Trace read_trace(const std::string& run) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const std::string file = fs::is_directory(run, ignored) ? run + "/trace.jsonl" : run;
  if (!fs::exists(file, ignored))
    throw UserError(file +
                    ": is not there; `tessera run CONFIG --trace` records a trace, into the "
                    "run's folder");
  std::istringstream stream(read_file(file, {"a trace", kMostBytes}));
  Trace trace;
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    try {
      const Json json = Json::parse(line);
      if (number > 1) {
        trace.ranks.push_back(rank_of(json));
        continue;
      }
      if (json.at("tessera_trace") != 1) throw UserError("is of another version than 1");
      trace.program = json.at("program");
      trace.first_step = json.at("first_step");
      trace.steps = json.at("steps");
    } catch (const std::exception& error) {
      throw UserError(SourceLocation(file, number),
                      std::string("is no line of a trace, as `tessera run --trace` writes it: ") +
                          error.what());
    }
  }
  if (trace.ranks.empty() || trace.steps < 1)
    throw UserError(file + ": holds no step of any rank; record the trace again");
  return trace;
}

RankTimes times_of(const Trace& trace, size_t rank) {
  const TracedRank& mine = trace.ranks.at(rank);
  RankTimes sum;
  for (const TracedJobSpan& span : mine.job)
    if (span.what == "step") sum.step += seconds(span.end - span.begin);
  for (const TracedSpan& span : mine.computing) {
    sum.waiting += seconds(span.begin - span.ready);
    const bool leaf = span.task >= 0 && mine.tasks[static_cast<size_t>(span.task)].kind != "loop";
    if (leaf) sum.computing += seconds(span.end - span.begin);
  }
  const std::vector<Gathering> gatherings = gatherings_of(trace, rank);
  for (size_t i = 0; i < mine.communicating.size(); ++i) {
    const TracedSpan& span = mine.communicating[i];
    if (mine.tasks[static_cast<size_t>(span.task)].kind == "loop") continue;
    sum.communicating += seconds(span.end - span.begin);
    sum.for_peers += seconds(std::clamp(gatherings[i].begin, span.begin, span.end) - span.begin);
  }
  for (double* each : {&sum.step, &sum.computing, &sum.communicating, &sum.for_peers, &sum.waiting})
    *each /= static_cast<double>(trace.steps);
  return sum;
}

// All ranks run the same collectives in the same order, so those at one place of the lists belong
// together; where some were lost, nothing is said.
std::vector<Gathering> gatherings_of(const Trace& trace, size_t rank) {
  const TracedRank& mine = trace.ranks.at(rank);
  std::vector<Gathering> found;
  bool whole = true;
  for (const TracedRank& each : trace.ranks)
    whole = whole && each.lost == 0 && each.communicating.size() == mine.communicating.size();
  for (size_t i = 0; i < mine.communicating.size(); ++i) {
    Gathering last{mine.rank, mine.communicating[i].begin};
    const std::vector<int>& group =
        mine.tasks[static_cast<size_t>(mine.communicating[i].task)].group;
    for (const TracedRank& each : trace.ranks) {
      if (!whole || std::find(group.begin(), group.end(), each.rank) == group.end()) continue;
      if (each.communicating[i].begin > last.begin) last = {each.rank, each.communicating[i].begin};
    }
    found.push_back(last);
  }
  return found;
}

}  // namespace tessera
