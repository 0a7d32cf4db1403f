#include "launcher/commands/bench_planner.h"

#include <nlohmann/json.hpp>

#include "launcher/bench/plan_timing.h"
#include "launcher/commands/arguments.h"
#include "launcher/commands/bench_suites.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/progress.h"
#include "launcher/standard_streams.h"

namespace tessera {
namespace {

struct PlannerArguments {
  PlanTimingSettings settings;
  std::string folder;
  std::string filter;
  bool tiny = false;
  bool list = false;
  bool json = false;
};

std::vector<SuiteRow> rows_of(const PlannerArguments& arguments, const CommandLine& line) {
  const std::string folder = arguments.folder.empty() ? suites_folder(line) : arguments.folder;
  std::vector<Suite> suites;
  for (const char* part : {"/train", "/made_up"})
    for (Suite& suite : load_suites(folder + part)) suites.push_back(std::move(suite));
  std::vector<SuiteRow> rows;
  for (const Suite& suite : filtered(suites, arguments.filter))
    for (SuiteRow row : suite.rows) {
      if (arguments.tiny) row.dims.clear();
      rows.push_back(std::move(row));
    }
  return rows;
}

int bench_planner(const PlannerArguments& arguments, const CommandLine& line) {
  const std::vector<SuiteRow> rows = rows_of(arguments, line);
  if (arguments.list) {
    for (const SuiteRow& row : rows) print_out("{}\n", row.name);
    return kDone;
  }
  bool failed = false;
  const RanksOptions ranks = arguments.settings.execution.ranks_options(line);
  const int code = run_on_ranks(ranks, [&](Communicator& world) {
    Progress progress("bench", static_cast<int64_t>(rows.size()), style_of_stderr());
    std::vector<PlanRow> timed;
    for (const SuiteRow& row : rows) {
      timed.push_back(time_plans(row, arguments.settings, world));
      if (world.rank() != 0) continue;
      progress.update(static_cast<int64_t>(timed.size()));
      failed = failed || !timed.back().problem.empty();
    }
    if (world.rank() != 0) return;
    progress.finish();
    if (arguments.json)
      print_out("{}\n", json_text(json_of(timed)));
    else
      print_out("{}", text_of(timed));
  });
  return code != kDone ? code : failed ? kJobFailed : kDone;
}

}  // namespace

void add_bench_planner(CLI::App& bench, const CommandLine& line, Action& action) {
  auto arguments = std::make_shared<PlannerArguments>();
  CLI::App* command = bench.add_subcommand(
      "planner",
      "Predicted and measured step times of the suites' programs, and whether the fastest plan is "
      "chosen");
  arguments->settings.execution.add_rank_options(*command);
  command->add_option("--mesh", arguments->settings.execution.mesh,
                      "of the optimizer's plan, as data=2,model=2 (default: auto)");
  command
      ->add_option("--plans", arguments->settings.others,
                   "so many random plans beside the optimizer's (default: none)")
      ->type_name("N")
      ->check(CLI::Range(1, 10000));
  command
      ->add_option("--seconds", arguments->settings.seconds,
                   "how long to measure each plan (default: 0.2)")
      ->check(positive_seconds());
  command->add_option("--filter", arguments->filter, "only rows whose SUITE/NAME holds this");
  command->add_option("--folder", arguments->folder,
                      "where the suites lie (default: bench/ of this checkout)");
  command->add_flag("--tiny", arguments->tiny, "at the extents that programs are written with");
  command->add_flag("--list", arguments->list, "print the names and measure nothing");
  command->add_flag("--json", arguments->json, "end with one JSON object");
  command->callback(
      [=, &line, &action] { action = [=, &line] { return bench_planner(*arguments, line); }; });
}

}  // namespace tessera
