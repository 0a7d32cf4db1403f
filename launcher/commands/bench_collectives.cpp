#include "launcher/commands/bench_collectives.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "launcher/bench/collectives.h"
#include "launcher/bench/suite_report.h"
#include "launcher/commands/arguments.h"
#include "launcher/commands/processes.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/progress.h"
#include "launcher/ranks.h"
#include "launcher/standard_streams.h"

namespace tessera {
namespace {

struct CollectivesArguments {
  ProcessArguments where;
  std::string filter;
  int most_mib = 256;
  double seconds = 0.5;
  bool list = false;
  bool json = false;
};

void show(const SuiteResult& result, bool json) {
  if (!json) {
    print_out("{}{}", text_of(result), problems_text({result}));
    return;
  }
  const nlohmann::json object = {{"suites", nlohmann::json::array({json_of(result)})}};
  print_out("{}\n", json_text(object));
}

int bench_collectives(const CollectivesArguments& arguments, const CommandLine& line) {
  const RanksOptions ranks = arguments.where.ranks_options(line);
  if (ranks_of(ranks.hosts) < 2)
    throw UserError(ranks.asked_by + " names one rank; collectives take two or more");
  const std::vector<CollectiveRow> rows = collective_rows(
      ranks_of(ranks.hosts), static_cast<size_t>(arguments.most_mib) << 20, arguments.filter);
  if (arguments.list) {
    for (const CollectiveRow& row : rows) print_out("{}\n", row.name());
    return kDone;
  }
  bool failed = false;
  const int code = run_on_ranks(ranks, [&](Communicator& world) {
    Progress progress("bench", static_cast<int64_t>(rows.size()), style_of_stderr());
    const SuiteResult result =
        measure_collectives(world, rows, arguments.seconds, [&](size_t done) {
          if (world.rank() == 0) progress.update(static_cast<int64_t>(done));
        });
    if (world.rank() == 0) {
      progress.finish();
      show(result, arguments.json);
    }
    failed = any_failed({result});
  });
  return code != kDone ? code : failed ? kJobFailed : kDone;
}

}  // namespace

void add_bench_collectives(CLI::App& bench, const CommandLine& line, Action& action) {
  auto arguments = std::make_shared<CollectivesArguments>();
  CLI::App* command =
      bench.add_subcommand("collectives", "Collectives between processes beside MPI's own");
  arguments->where.add_options(*command);
  command->add_option("--filter", arguments->filter,
                      "only those whose name, as in `all-reduce f32 64 MiB`, holds this");
  command->add_option("--most", arguments->most_mib, "MiB of the largest vector (default: 256)")
      ->check(CLI::Range(1, 2047));
  command
      ->add_option("--seconds", arguments->seconds,
                   "how long to measure each side of a row (default: 0.5)")
      ->check(positive_seconds());
  command->add_flag("--list", arguments->list, "print the names and measure nothing");
  command->add_flag("--json", arguments->json, "end with one JSON object");
  command->callback(
      [=, &line, &action] { action = [=, &line] { return bench_collectives(*arguments, line); }; });
}

}  // namespace tessera
