#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "launcher/commands/commands.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/standard_streams.h"
#include "launcher/trace_events.h"
#include "launcher/trace_file.h"
#include "storage/atomic_file.h"

namespace tessera {
namespace {

struct TraceArguments {
  std::string run;
  std::string out;
  bool json = false;
};

nlohmann::json to_json(const TracedRank& rank, const RankTimes& times) {
  return {{"rank", rank.rank},
          {"host", rank.host},
          {"step_seconds", times.step},
          {"computing_seconds", times.computing},
          {"communicating_seconds", times.communicating},
          {"waiting_for_ranks_seconds", times.for_peers},
          {"exposed_seconds", times.waiting},
          {"clock_error_seconds", rank.clock_error_seconds},
          {"lost", rank.lost}};
}

std::string row(const std::vector<std::string>& cells) {
  std::string text;
  for (size_t i = 0; i < cells.size(); ++i)
    text += fmt::format("  {:>{}}", cells[i], i == 0 ? 4 : 13);
  return text + "\n";
}

std::string table(const Trace& trace) {
  std::string text =
      row({"rank", "step", "computing", "exposed wait", "communicating", "for ranks"});
  for (size_t r = 0; r < trace.ranks.size(); ++r) {
    const RankTimes times = times_of(trace, r);
    text += row({std::to_string(trace.ranks[r].rank), human_seconds(times.step),
                 human_seconds(times.computing), human_seconds(times.waiting),
                 human_seconds(times.communicating), human_seconds(times.for_peers)});
  }
  return text;
}

// What a reader has to know about how far the times can be believed.
std::string notes(const Trace& trace) {
  double error = 0;
  int64_t lost = 0;
  for (const TracedRank& rank : trace.ranks) {
    error = std::max(error, rank.clock_error_seconds);
    lost += rank.lost;
  }
  std::string text;
  if (error > 0)
    text += fmt::format("clocks of ranks are compared with that of rank 0 to within {}\n",
                        human_seconds(error));
  if (lost > 0)
    text += fmt::format(
        "{} runs of tasks were too many to record, so sums are too small; trace fewer steps\n",
        lost);
  return text;
}

int trace(const TraceArguments& arguments) {
  const Trace found = read_trace(arguments.run);
  std::string out = arguments.out;
  if (out.empty()) {
    const std::string ending = ".jsonl";
    out = arguments.run.ends_with(ending)
              ? arguments.run.substr(0, arguments.run.size() - ending.size()) + ".json"
              : arguments.run + "/trace.json";
  }
  write_file(out, trace_events(found));
  if (arguments.json) {
    nlohmann::json ranks = nlohmann::json::array();
    for (size_t r = 0; r < found.ranks.size(); ++r)
      ranks.push_back(to_json(found.ranks[r], times_of(found, r)));
    print_out("{}\n", json_text(nlohmann::json{{"program", found.program},
                                               {"first_step", found.first_step},
                                               {"steps", found.steps},
                                               {"ranks", ranks},
                                               {"file", out}}));
    return kDone;
  }
  const int64_t last = found.first_step + found.steps - 1;
  print_out("trace of {}, {}, in {}: open it in ui.perfetto.dev\n{}{}", found.program,
            last == found.first_step ? fmt::format("step {}", last)
                                     : fmt::format("steps {} to {}", found.first_step, last),
            out, table(found), notes(found));
  return kDone;
}

}  // namespace

void add_trace_command(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<TraceArguments>();
  CLI::App* command = app.add_subcommand(
      "trace", "Show what the ranks of a run did, and where they waited, on one timeline");
  command
      ->add_option("RUN", arguments->run,
                   "the folder of a run with --trace (or train.trace), or its trace.jsonl")
      ->required();
  command->add_option("--out", arguments->out,
                      "where the timeline goes (default: trace.json in the folder)");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->callback([=, &action] { action = [=] { return trace(*arguments); }; });
}

}  // namespace tessera
