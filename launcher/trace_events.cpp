#include "launcher/trace_events.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "launcher/json_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

enum Track { kJob = 1, kComputing = 2, kCommunicating = 3 };
constexpr int64_t kLeastWait = 500;  // nanoseconds that are worth showing

class Writer {
 public:
  explicit Writer(const Trace& trace) : trace_(trace) {}

  std::string text() {
    for (size_t r = 0; r < trace_.ranks.size(); ++r) {
      name_tracks(trace_.ranks[r]);
      job(trace_.ranks[r]);
      computing(trace_.ranks[r]);
      communicating(r);
    }
    return "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n" + text_ + "\n]}\n";
  }

 private:
  void add(const Json& event) {
    if (!text_.empty()) text_ += ",\n";
    text_ += json_text(event);
  }

  void name(const char* what, int rank, int track, const Json& arguments) {
    add({{"ph", "M"}, {"pid", rank}, {"tid", track}, {"name", what}, {"args", arguments}});
  }

  void name_tracks(const TracedRank& rank) {
    name("process_name", rank.rank, 0,
         {{"name", "rank " + std::to_string(rank.rank) + " on " + rank.host}});
    name("process_sort_index", rank.rank, 0, {{"sort_index", rank.rank}});
    const char* const tracks[] = {"job", "computing", "communicating"};
    for (int track = kJob; track <= kCommunicating; ++track) {
      name("thread_name", rank.rank, track, {{"name", tracks[track - 1]}});
      name("thread_sort_index", rank.rank, track, {{"sort_index", track}});
    }
  }

  void span(int rank, int track, int64_t begin, int64_t end, const std::string& what,
            const std::string& category, const Json& arguments) {
    add({{"ph", "X"},
         {"pid", rank},
         {"tid", track},
         {"ts", 1e-3 * static_cast<double>(begin)},
         {"dur", 1e-3 * static_cast<double>(end - begin)},
         {"name", what},
         {"cat", category},
         {"args", arguments}});
  }

  void job(const TracedRank& rank) {
    for (const TracedJobSpan& each : rank.job)
      span(rank.rank, kJob, each.begin, each.end,
           each.what == "step" ? "step " + std::to_string(each.step) : each.what, "job",
           {{"step", each.step}});
  }

  static Json arguments_of(const TracedTask& task, const TracedSpan& each) {
    Json arguments = {{"step", each.step}};
    if (!task.where.empty()) arguments["source"] = task.where;
    if (each.iteration >= 0) arguments["iteration"] = each.iteration;
    if (task.predicted_seconds) arguments["predicted_us"] = 1e6 * *task.predicted_seconds;
    if (task.kind == "communicate") arguments["bytes"] = task.bytes;
    return arguments;
  }

  // What ended last before computing went on is what it waited for.
  static std::string waited_for(const TracedRank& rank, int64_t begin) {
    const auto after =
        std::upper_bound(rank.communicating.begin(), rank.communicating.end(), begin,
                         [](int64_t time, const TracedSpan& span) { return time < span.end; });
    if (after == rank.communicating.begin()) return "wait for communicating";
    return "wait for " + rank.tasks[static_cast<size_t>(std::prev(after)->task)].name;
  }

  void computing(const TracedRank& rank) {
    for (const TracedSpan& each : rank.computing) {
      if (each.begin - each.ready >= kLeastWait)
        span(rank.rank, kComputing, each.ready, each.begin, waited_for(rank, each.begin), "wait",
             {{"step", each.step}});
      if (each.task < 0) continue;
      const TracedTask& task = rank.tasks[static_cast<size_t>(each.task)];
      span(rank.rank, kComputing, each.begin, each.end, task.name, task.kind,
           arguments_of(task, each));
    }
  }

  void communicating(size_t number) {
    const TracedRank& rank = trace_.ranks[number];
    const std::vector<Gathering> gatherings = gatherings_of(trace_, number);
    for (size_t i = 0; i < rank.communicating.size(); ++i) {
      const TracedSpan& each = rank.communicating[i];
      const TracedTask& task = rank.tasks[static_cast<size_t>(each.task)];
      Json arguments = arguments_of(task, each);
      if (gatherings[i].last != rank.rank) {
        arguments["last_to_come"] = "rank " + std::to_string(gatherings[i].last);
        arguments["waited_for_it_us"] =
            1e-3 * static_cast<double>(std::min(gatherings[i].begin, each.end) - each.begin);
      }
      span(rank.rank, kCommunicating, each.begin, each.end, task.name, task.kind, arguments);
    }
  }

  const Trace& trace_;
  std::string text_;
};

}  // namespace

std::string trace_events(const Trace& trace) {
  return Writer(trace).text();
}

}  // namespace tessera
