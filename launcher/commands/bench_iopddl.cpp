#include "launcher/commands/bench_iopddl.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/stopwatch.h"
#include "launcher/bench/iopddl.h"
#include "launcher/commands/arguments.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/standard_streams.h"
#include "placement/anytime/solve_anytime.h"

namespace tessera {
namespace {

using Clock = Stopwatch::Clock;

struct IopddlArguments {
  std::string file;
  double seconds = 60;
  uint64_t seed = 1;
  bool json = false;
};

// What is left of the time once the answer is written.
Clock::time_point deadline(Clock::time_point begin, double seconds) {
  const double reserve = std::min(0.1 * seconds, 0.75);
  return begin + std::chrono::duration_cast<Clock::duration>(
                     std::chrono::duration<double>(seconds - reserve));
}

std::string number_text(double value, const char* otherwise) {
  return std::isfinite(value) ? fmt::format("{:.0f}", value) : otherwise;
}

// The problem with large costs as forbidden; if that leaves nothing, with all choices allowed.
Solution solve(const IopddlProblem& problem, const AnytimeOptions& options) {
  Solution solution = solve_anytime(network_of(problem), options);
  if (solution.found()) {
    // What was forbidden costs this much at least.
    double least = static_cast<double>(kIopddlForbids);
    for (const std::vector<int64_t>* costs : {&problem.costs, &problem.tables})
      for (const int64_t cost : *costs) least += std::min(0.0, static_cast<double>(cost));
    solution.bound = std::min(solution.bound, least);
    return solution;
  }
  return solve_anytime(network_of(problem, kForbidden), options);
}

std::string list_of(const Values& values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

int bench_iopddl(const IopddlArguments& arguments, const Stopwatch& watch) {
  const IopddlProblem problem = read_iopddl(arguments.file);
  AnytimeOptions options;
  options.until = deadline(watch.start(), arguments.seconds);
  options.seed = arguments.seed;
  options.progress = [&](const AnytimeProgress& now) {
    print_err("{:8.1f} s  cost {}  bound {}\n", watch.seconds(), number_text(now.cost, "none yet"),
              number_text(now.bound, "none yet"));
  };
  const Solution solution = solve(problem, options);
  const double seconds = watch.seconds();
  if (!solution.found()) {
    print_err("{}: {}\n", arguments.file,
              solution.bound == kForbidden
                  ? "no choice of strategies keeps to the limit"
                  : "found no choice of strategies that keeps to the limit in time");
    return kJobFailed;
  }
  const WideInteger cost = cost_of(problem, solution.values);
  const WideInteger peak = peak_of(problem, solution.values);
  TESSERA_CHECK(!problem.limit || peak <= *problem.limit)
      << "memory of " << text_of(peak) << " above the limit";
  const double gap = solution.gap();
  if (arguments.json)
    print_out("{}\n", json_text(nlohmann::json{{"name", problem.name},
                                               {"cost", text_of(cost)},
                                               {"bound", number_text(solution.bound, "-inf")},
                                               {"gap", gap},
                                               {"peak", text_of(peak)},
                                               {"seconds", seconds}}));
  else
    print_out("cost {}  bound {}  gap {:.3f} %  peak {}  {:.1f} s\n", text_of(cost),
              number_text(solution.bound, "none"), 100 * gap, text_of(peak), seconds);
  print_out("{}\n", list_of(solution.values));
  return kDone;
}

}  // namespace

void add_bench_iopddl(CLI::App& bench, Action& action) {
  auto arguments = std::make_shared<IopddlArguments>();
  const Stopwatch watch;
  CLI::App* command =
      bench.add_subcommand("iopddl", "Solve a problem of the IOPDDL contest within a time limit");
  command->add_option("FILE", arguments->file, "a problem, FILE.json or FILE.json.gz")->required();
  command->add_option("SECONDS", arguments->seconds, "time limit, with reading the file")
      ->check(positive_seconds())
      ->required();
  command->add_option("--seed", arguments->seed, "of the search's random numbers (default: 1)");
  command->add_flag("--json", arguments->json, "print cost, bound and time as a JSON object");
  command->callback([=, &action] { action = [=] { return bench_iopddl(*arguments, watch); }; });
}

}  // namespace tessera
