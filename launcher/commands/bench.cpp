#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "codegen/kernel_model.h"
#include "codegen/machine.h"
#include "ir/normalize.h"
#include "ir/stack_loops.h"
#include "launcher/bench/kernel_report.h"
#include "launcher/bench/prepared_step.h"
#include "launcher/commands/arguments.h"
#include "launcher/commands/bench_collectives.h"
#include "launcher/commands/bench_iopddl.h"
#include "launcher/commands/bench_planner.h"
#include "launcher/commands/bench_suites.h"
#include "launcher/commands/bench_tune.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/execution.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/median.h"
#include "launcher/programs.h"
#include "launcher/standard_streams.h"
#include "models/registry.h"

namespace tessera {
namespace {

struct BenchArguments {
  std::string program;
  std::vector<std::string> dims;
  ExecutionArguments execution;
  double seconds = 2;
  double tune = 0;
  bool tasks = false;
  bool show_schedule = false;
  bool json = false;
};

struct BenchResult {
  std::string name;
  std::vector<double> seconds;  // of each step, sorted
  double compile_seconds = 0;
  double flops = 0;
  Machine machine;
  double peak_gflops = 0;  // of the threads in use on all ranks; 0: not on CPUs
  size_t peak_bytes = 0;   // of one rank
  std::string plan_hash;
  double predicted = 0;  // seconds that planning expects of a step
  std::string task_table;
  std::optional<TuneReport> tuned;
  std::optional<std::vector<KernelReport>> kernels;  // of rank 0
  double untuned = 0;                                // median seconds of a step before tuning

  double median() const { return median_of(seconds); }
  double gflops() const { return flops / median() * 1e-9; }
};

std::string task_table(const Executor& executor) {
  std::string text = "    begin ms    ms  stream   task\n";
  const TaskGraph& graph = executor.graph();
  for (size_t t = 0; t < graph.tasks.size(); ++t) {
    const TaskTime& time = executor.times()[t];
    text +=
        fmt::format("  {:10.3f} {:6.3f}  {:7}  {}\n", 1e3 * time.begin,
                    1e3 * (time.end - time.begin), stream_of(graph.tasks[t]), graph.tasks[t].name);
  }
  return text;
}

BenchResult bench_rank(const BenchArguments& arguments, const Program& program,
                       const Program& normal, Communicator& world) {
  BenchResult result;
  result.name = normal.name();
  const int threads = arguments.execution.threads_on(world);
  const CompilerOptions compiling = arguments.execution.compiler_options(world);
  const auto prepare = [&] {
    return std::make_unique<PreparedStep>(arguments.execution, compiling, program, normal, world);
  };
  auto bench = prepare();
  if (arguments.tune > 0) {
    result.untuned = median_of(time_steps(bench->step, world, std::min(1.0, arguments.seconds)));
    result.tuned = tune_step(bench->step, world, {arguments.tune, compiling, arguments.json});
    bench.reset();
    bench = prepare();
  }
  result.plan_hash = plan_hash(bench->step.plan());
  result.predicted = bench->step.plan().predicted.seconds;
  result.compile_seconds = bench->seconds;
  result.seconds = time_steps(bench->step, world, arguments.seconds);
  for (const Nest& nest : nests_of(normal)) result.flops += operations_of(nest);
  result.peak_bytes = bench->step.executor().memory_bytes();
  result.machine = machine_facts(bench->compiler.level());
  if (arguments.execution.device.value_or(DeviceKind::cpu) == DeviceKind::cpu)
    result.peak_gflops = result.machine.peak_gflops * threads * world.size();
  if (arguments.tasks) result.task_table = task_table(bench->step.executor());
  if (arguments.show_schedule) {
    result.kernels = kernel_reports(bench->step, bench->compiler, compiling, result.machine);
    world.set_context("waiting for a rank to time its kernels");
    world.barrier();
  }
  return result;
}

void show(const BenchResult& result, bool json) {
  if (json) {
    nlohmann::json object = {{"name", result.name},
                             {"median_ms", 1e3 * result.median()},
                             {"min_ms", 1e3 * result.seconds.front()},
                             {"max_ms", 1e3 * result.seconds.back()},
                             {"runs", result.seconds.size()},
                             {"flops", result.flops},
                             {"gflops", result.gflops()},
                             {"machine_peak_gflops", result.peak_gflops},
                             {"machine_bandwidth", result.machine.bandwidth},
                             {"machine_cache_bandwidth", result.machine.cache_bandwidth},
                             {"peak_bytes", result.peak_bytes},
                             {"compile_ms", 1e3 * result.compile_seconds},
                             {"predicted_ms", 1e3 * result.predicted},
                             {"plan_hash", result.plan_hash}};
    if (result.tuned) {
      object.update(json_of(*result.tuned));
      object["untuned_ms"] = 1e3 * result.untuned;
    }
    if (result.kernels) object["schedules"] = json_of(*result.kernels);
    print_out("{}\n", json_text(object));
    return;
  }
  if (result.tuned)
    print_out("{}a step took {:.3f} ms in the median before tuning\n", text_of(*result.tuned),
              1e3 * result.untuned);
  const std::string share =
      result.peak_gflops == 0
          ? ""
          : fmt::format(", {:.0f} % of the measured peak of {:.0f}",
                        100 * result.gflops() / result.peak_gflops, result.peak_gflops);
  print_out(
      "{}: median {:.3f} ms, min {:.3f}, max {:.3f} over {} steps; planned for {:.3f} ms\n"
      "  {:.3g} GFLOP a step, {:.1f} GFLOP/s{}\n"
      "  {:.1f} MiB per rank, planned and compiled in {:.0f} ms\n{}",
      result.name, 1e3 * result.median(), 1e3 * result.seconds.front(), 1e3 * result.seconds.back(),
      result.seconds.size(), 1e3 * result.predicted, 1e-9 * result.flops, result.gflops(), share,
      static_cast<double>(result.peak_bytes) / (1 << 20), 1e3 * result.compile_seconds,
      result.task_table);
  if (result.kernels) print_out("{}", text_of(*result.kernels));
}

// A name that is no file may be a model's, or was meant to be a suite's.
void check_name(const std::string& name) {
  if (is_config_file(name) || is_program_file(name)) return;
  std::vector<std::string> known = {"kernels", "train",       "made-up",
                                    "planner", "collectives", "iopddl"};
  for (const ModelInfo& model : all_models()) known.push_back(model.name);
  if (std::find(known.begin(), known.end(), name) == known.end())
    throw UserError("there is no file, suite or model `" + name + "`; suites and models are " +
                    join(known) + did_you_mean(name, known));
}

int bench(const BenchArguments& arguments, const CommandLine& line) {
  if (arguments.program.empty())
    throw UserError(
        "bench takes a PROGRAM (a .tess file, a config, or a model's name), or one of the suites "
        "kernels, train, made-up, planner, collectives and iopddl");
  check_name(arguments.program);
  const Program program = named_program(arguments.program, parse_dims(arguments.dims));
  const Program normal = stack_loops(normalize(program));
  RanksOptions ranks = arguments.execution.ranks_options(line);
  ranks.timeout += arguments.tune;  // while rank 0 tunes, the others wait
  return run_on_ranks(ranks, [&](Communicator& world) {
    const BenchResult result = bench_rank(arguments, program, normal, world);
    if (world.rank() == 0) show(result, arguments.json);
  });
}

}  // namespace

void add_bench_command(CLI::App& app, const CommandLine& line, Action& action) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* command =
      app.add_subcommand("bench", "Time one step of a program on random inputs, or a suite");
  command->add_option("PROGRAM", arguments->program, "a .tess file, a config, or a model's name");
  command->add_option("--dim", arguments->dims, "NAME=EXTENT, replaces an extent; repeatable");
  arguments->execution.add_options(*command);
  command->add_option("--seconds", arguments->seconds, "how long to measure (default: 2)")
      ->check(positive_seconds());
  command
      ->add_option("--tune", arguments->tune,
                   "first search for faster kernels, for this many seconds, and keep them for "
                   "later runs of any command")
      ->check(positive_seconds());
  command->add_flag("--tasks", arguments->tasks, "show when each task of the last step ran");
  command->add_flag("--show-schedule", arguments->show_schedule,
                    "show how each kernel of rank 0 is built, its predicted and its measured time");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->callback([=, &line, &action] {
    if (command->get_subcommands().empty()) action = [=, &line] { return bench(*arguments, line); };
  });
  command->require_subcommand(0, 1);
  add_bench_suites(*command, line, action);
  add_bench_planner(*command, line, action);
  add_bench_collectives(*command, line, action);
  add_bench_iopddl(*command, action);
}

}  // namespace tessera
