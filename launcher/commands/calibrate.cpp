#include "launcher/calibrate.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/units.h"
#include "launcher/commands/arguments.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/processes.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/progress.h"
#include "launcher/standard_streams.h"
#include "storage/atomic_file.h"

namespace tessera {
namespace {

struct CalibrateArguments {
  ProcessArguments where;
  int threads = 0;
  std::optional<CpuLevel> cpu;
  double seconds = 10;
  int most_mib = 16;
  std::string out = "cluster.yaml";
  bool json = false;
};

using Measured = std::map<int64_t, double>;

// The sizes that were measured, where they are not those of the row before, and the seconds.
std::string rows_of(CommKind kind, const Measured& measured, std::vector<int64_t>& sizes) {
  std::vector<int64_t> own;
  std::string header = fmt::format("  {:14}", "bytes moved");
  std::string row = fmt::format("  {:14}", name_of(kind));
  for (const auto& [bytes, seconds] : measured) {
    own.push_back(bytes);
    header += fmt::format("  {:>8}", human_bytes(bytes));
    row += fmt::format("  {:>8}", human_seconds(seconds));
  }
  if (own != sizes) row.insert(0, header + "\n");
  sizes = own;
  return row + "\n";
}

std::string text_of(const ClusterDescription& found) {
  const Device& device = found.cluster.device;
  std::string text =
      fmt::format("{}: {:.0f} GFLOP/s and {:.1f} GB/s each, {} {}\n", describe(found.cluster),
                  1e-9 * device.flops, 1e-9 * device.memory_bandwidth, found.threads,
                  found.threads == 1 ? "thread" : "threads");
  for (const LinkLevel& level : found.cluster.levels) {
    if (level.measured.empty()) continue;
    text += fmt::format("{} joins {}: messages {} and {}/s\n", level.name, level.joins,
                        human_seconds(level.link.latency),
                        human_bytes(static_cast<int64_t>(level.link.bandwidth)));
    std::vector<int64_t> sizes;
    for (const CommKind kind : {CommKind::all_gather, CommKind::reduce_scatter,
                                CommKind::all_to_all, CommKind::all_reduce})
      text += rows_of(kind, level.measured.at(kind), sizes);
  }
  return text;
}

nlohmann::json json_of(const ClusterDescription& found, const std::string& file) {
  nlohmann::json levels = nlohmann::json::array();
  for (const LinkLevel& level : found.cluster.levels) {
    nlohmann::json measured = nlohmann::json::object();
    for (const auto& [kind, seconds] : level.measured)
      for (const auto& [bytes, each] : seconds)
        measured[name_of(kind)].push_back({{"bytes", bytes}, {"seconds", each}});
    levels.push_back({{"name", level.name},
                      {"joins", level.joins},
                      {"latency", level.link.latency},
                      {"bandwidth", level.link.bandwidth},
                      {"measured", measured}});
  }
  return {{"file", file},
          {"devices", found.cluster.devices},
          {"flops", found.cluster.device.flops},
          {"memory_bandwidth", found.cluster.device.memory_bandwidth},
          {"levels", levels}};
}

int calibrate_ranks(const CalibrateArguments& arguments, const CommandLine& line) {
  return run_on_ranks(arguments.where.ranks_options(line), [&](Communicator& world) {
    CalibrationSettings settings;
    settings.threads = arguments.threads > 0 ? arguments.threads : threads_per_rank(world.size());
    settings.cpu = arguments.cpu.value_or(CpuLevel::host);
    settings.seconds = arguments.seconds;
    settings.most = static_cast<size_t>(arguments.most_mib) << 20;
    std::optional<Progress> progress;
    const ClusterDescription found = calibrate(world, settings, [&](int64_t done, int64_t all) {
      if (world.rank() != 0) return;
      if (!progress) progress.emplace("calibrate", all, style_of_stderr());
      progress->update(done);
    });
    if (world.rank() != 0) return;
    if (progress) progress->finish();
    write_file(arguments.out, print_cluster(found));
    if (arguments.json) {
      print_out("{}\n", json_text(json_of(found, arguments.out)));
      return;
    }
    print_out(
        "{}written to {}; `tessera plan PROGRAM --cluster {}` plans for it, and `cluster: "
        "{{measured: {}}}` in a config runs by it\n",
        text_of(found), arguments.out, arguments.out, arguments.out);
  });
}

}  // namespace

void add_calibrate_command(CLI::App& app, const CommandLine& line, Action& action) {
  auto arguments = std::make_shared<CalibrateArguments>();
  CLI::App* command = app.add_subcommand(
      "calibrate",
      "Measure what the ranks of a cluster can do and what lies between them, for plan and run");
  arguments->where.add_options(*command);
  command->add_option("--threads", arguments->threads, "that compute on each rank")
      ->check(CLI::Range(1, 4096));
  add_cpu_option(*command, arguments->cpu);
  command
      ->add_option("--seconds", arguments->seconds,
                   "how long to measure collectives, all in all (default: 10)")
      ->check(positive_seconds());
  command->add_option("--most", arguments->most_mib, "MiB of the largest vector (default: 16)")
      ->check(CLI::Range(1, 2047));
  command->add_option("--out", arguments->out, "the file to write (default: cluster.yaml)");
  command->add_flag("--json", arguments->json, "print one JSON object as well");
  command->callback(
      [=, &line, &action] { action = [=, &line] { return calibrate_ranks(*arguments, line); }; });
}

}  // namespace tessera
