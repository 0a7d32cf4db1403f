#include "launcher/commands/bench_suites.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "launcher/bench/run_suite.h"
#include "launcher/bench/suite_report.h"
#include "launcher/commands/arguments.h"
#include "launcher/commands/bench_gpu.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/progress.h"
#include "launcher/scratch_folder.h"
#include "launcher/standard_streams.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

struct SuiteArguments {
  std::string folder;  // of all suites
  std::string filter;
  std::string python;
  std::string against = "peers";
  std::string target = "cpu";
  GpuBenchArguments gpu;
  int threads = 1;
  double seconds = 1;
  double tune = 0;
  std::optional<CpuLevel> cpu;
  bool model = false;
  bool list = false;
  bool tiny = false;
  bool json = false;
};

Against against_of(const SuiteArguments& arguments) {
  const std::string& word = arguments.against;
  if (arguments.tune > 0 && word != "untuned")
    throw UserError(
        "--tune is for --against untuned, which compares tuned kernels with the "
        "model's; found --against " +
        word);
  return word == "nobody"       ? Against::nobody
         : word == "one-thread" ? Against::one_thread
         : word == "untuned"    ? Against::untuned
                                : Against::peers;
}

SuiteSettings settings_of(const SuiteArguments& arguments, const CommandLine& line) {
  SuiteSettings settings;
  settings.execution.threads = arguments.threads;
  settings.execution.cpu = arguments.cpu;
  settings.against = against_of(arguments);
  settings.seconds = arguments.seconds;
  settings.tune = arguments.tune;
  settings.model = arguments.model;
  settings.peers.native = (fs::path(line.argv[0]).parent_path() / "tessera-peers").string();
  settings.peers.scripts = arguments.folder + "/peers";
  settings.peers.pythons = peers_pythons(arguments.python, line.argv[0]);
  settings.peers.threads = arguments.threads;
  return settings;
}

// Rows at the extents that their programs are written with.
std::vector<Suite> tiny_rows(std::vector<Suite> suites) {
  for (Suite& suite : suites)
    for (SuiteRow& row : suite.rows) row.dims.clear();
  return suites;
}

void list_rows(const std::vector<Suite>& suites) {
  for (const Suite& suite : suites)
    for (const SuiteRow& row : suite.rows) print_out("{}/{}\n", suite.name, row.name);
}

// A suite's table is shown as soon as it is measured.
std::vector<SuiteResult> run_suites(const std::vector<Suite>& suites, const SuiteSettings& settings,
                                    const Machine& machine, Communicator& world, bool quiet) {
  int64_t rows = 0, done = 0;
  for (const Suite& suite : suites) rows += static_cast<int64_t>(suite.rows.size());
  Progress progress("bench", rows, style_of_stderr());
  Peers peers(settings.peers);
  std::vector<SuiteResult> results;
  for (const Suite& suite : suites) {
    SuiteResult& result = results.emplace_back(SuiteResult{suite, {}});
    for (const SuiteRow& row : suite.rows) {
      result.rows.push_back(run_row(suite, row, settings, machine, peers, world));
      progress.update(++done);
    }
    if (!quiet) print_out("{}\n", text_of(result));
  }
  progress.finish();
  return results;
}

void show(const std::vector<SuiteResult>& results, const Machine& machine, int threads, bool json) {
  const ModelAccuracy accuracy = accuracy_of(kernels_of(results));
  if (!json) {
    if (results.size() > 1 && accuracy.kernels > 0)
      print_out("all suites: {}\n", text_of(accuracy));
    print_out("{}", problems_text(results));
    return;
  }
  nlohmann::json suites = nlohmann::json::array();
  for (const SuiteResult& result : results) suites.push_back(json_of(result));
  nlohmann::json object = {{"suites", suites},
                           {"threads", threads},
                           {"peak_gflops", machine.peak_gflops},
                           {"bandwidth_gb", machine.bandwidth},
                           {"bandwidth_all_gb", machine.bandwidth_all}};
  if (accuracy.kernels > 0)
    object["model"] = {{"kernels", accuracy.kernels},
                       {"median_factor", accuracy.median},
                       {"within_two", accuracy.within_two}};
  print_out("{}\n", json_text(object));
}

int bench_suites(const std::string& name, SuiteArguments arguments, const CommandLine& line) {
  if (arguments.folder.empty()) arguments.folder = suites_folder(line);
  std::vector<Suite> suites =
      filtered(load_suites(arguments.folder + "/" + name), arguments.filter);
  if (arguments.tiny) suites = tiny_rows(std::move(suites));
  if (arguments.list) {
    list_rows(suites);
    return kDone;
  }
  if (arguments.target == "nvptx") {
    arguments.gpu.threads = arguments.threads;
    arguments.gpu.seconds = arguments.seconds;
    arguments.gpu.json = arguments.json;
    return bench_gpu(suites, arguments.gpu);
  }
  if (arguments.gpu.run || !arguments.gpu.assemble.empty() || !arguments.gpu.emit.empty())
    throw UserError("--run, --assemble and --emit are for --target nvptx");
  SuiteSettings settings = settings_of(arguments, line);
  const ScratchFolder scratch(1);
  settings.peers.folder = scratch.path();
  bool failed = false;
  RanksOptions ranks;
  ranks.command = line.argv;
  const int code = run_on_ranks(ranks, [&](Communicator& world) {
    const Machine machine = measure_machine(arguments.cpu.value_or(CpuLevel::host));
    if (!arguments.json)
      print_out("{} of {} cores; measured on one: {:.0f} GFLOP/s of multiply-adds\n\n",
                arguments.threads, machine.cores, machine.peak_gflops);
    const std::vector<SuiteResult> results =
        run_suites(suites, settings, machine, world, arguments.json);
    show(results, machine, arguments.threads, arguments.json);
    failed = any_failed(results);
  });
  return code != kDone ? code : failed ? kJobFailed : kDone;
}

void add_gpu_options(CLI::App& command, SuiteArguments& arguments) {
  command
      .add_option("--target", arguments.target,
                  "cpu (default), or nvptx: kernels for NVIDIA GPUs (docs/gpu.md)")
      ->check(CLI::IsMember({"cpu", "nvptx"}));
  command.add_flag("--run", arguments.gpu.run,
                   "nvptx: run on this machine's GPU, compare with the host, and time");
  command.add_option("--assemble", arguments.gpu.assemble,
                     "nvptx: assemble every kernel by ptxas for these, such as sm_80,sm_90,sm_100");
  command.add_option("--emit", arguments.gpu.emit, "nvptx: a folder for the PTX of every kernel");
  command.add_option("--arch", arguments.gpu.arch, "of --emit (default: sm_90)");
}

void add_suite(CLI::App& bench, const char* folder, const char* name, const char* help,
               const CommandLine& line, Action& action) {
  auto arguments = std::make_shared<SuiteArguments>();
  CLI::App* command = bench.add_subcommand(name, help);
  command->add_option("--filter", arguments->filter, "only rows whose SUITE/NAME holds this");
  command->add_flag("--list", arguments->list, "print SUITE/NAME of each row and measure nothing");
  command->add_flag("--tiny", arguments->tiny,
                    "at the extents that programs are written with: compares values, not times");
  command
      ->add_option("--seconds", arguments->seconds,
                   "how long to measure each side of a row (default: 1)")
      ->check(positive_seconds());
  command->add_option("--threads", arguments->threads, "that compute on each side (default: 1)")
      ->check(CLI::Range(1, 4096));
  command
      ->add_option("--against", arguments->against,
                   "peers (default), nobody, one-thread (Tessera on one thread), or untuned "
                   "(Tessera without tuned kernels)")
      ->check(CLI::IsMember({"peers", "nobody", "one-thread", "untuned"}));
  command
      ->add_option("--tune", arguments->tune, "seconds of tuning for each row of --against untuned")
      ->check(positive_seconds());
  command->add_flag("--model", arguments->model,
                    "list predicted and measured times of all kernels");
  command->add_option("--python", arguments->python,
                      "Pythons with JAX or PyTorch, separated by colons (default: "
                      "TESSERA_PEERS_PYTHON, or build/jax/bin/python and python3)");
  command->add_option("--folder", arguments->folder,
                      "where the suites lie (default: bench/ of this checkout)");
  add_cpu_option(*command, arguments->cpu);
  add_gpu_options(*command, *arguments);
  command->add_flag("--json", arguments->json, "end with one JSON object");
  command->callback([=, &line, &action] {
    action = [=, &line] { return bench_suites(folder, *arguments, line); };
  });
}

}  // namespace

std::string suites_folder(const CommandLine& line) {
  const fs::path build = fs::path(line.argv[0]).parent_path().parent_path();
  return (build.parent_path().parent_path() / "bench").string();
}

void add_bench_suites(CLI::App& bench, const CommandLine& line, Action& action) {
  add_suite(bench, "kernels", "kernels",
            "Kernels beside OpenBLAS, oneDNN, JAX, and the machine's peaks", line, action);
  add_suite(bench, "train", "train", "Training steps of whole networks beside JAX", line, action);
  add_suite(bench, "made_up", "made-up", "Programs such as users make up, beside JAX", line,
            action);
}

}  // namespace tessera
