#include "launcher/bench/run_suite.h"

#include <algorithm>

#include "base/error.h"
#include "codegen/kernel_model.h"
#include "ir/normalize.h"
#include "ir/random_inputs.h"
#include "ir/stack_loops.h"
#include "ir/structure.h"
#include "launcher/bench/prepared_step.h"
#include "launcher/commands/bench_tune.h"
#include "runtime/worker_pool.h"

namespace tessera {
namespace {

// Compiled anew, so that compile times are what they say, and without tuned schedules.
CompilerOptions fresh_options(const ExecutionArguments& execution, const Communicator& world) {
  CompilerOptions options = execution.compiler_options(world);
  options.use_cache = false;
  return options;
}

Contender contender_of(const std::string& name, const std::shared_ptr<PreparedStep>& prepared) {
  return {.name = name,
          .version = {},
          .problem = {},
          .compile_seconds = prepared->seconds,
          .memory_bytes = static_cast<double>(prepared->step.executor().memory_bytes()),
          .difference = {},
          .time = [prepared](double seconds) {
            return time_runs([&] { prepared->step.run(); }, seconds);
          }};
}

// What the row would take at the peak of multiply-adds that the machine is measured to have at that
// moment.
Contender peak_of(const RowResult& result, const SuiteSettings& settings) {
  const CpuLevel level = settings.execution.cpu.value_or(CpuLevel::host);
  const int threads = std::min(settings.execution.threads, usable_cores());
  const double work = 1e-9 * result.flops;
  return {.name = "at peak", .version = {}, .problem = {}, .difference = {}, .time = [=](double) {
            return std::vector<double>{work / (measure_machine(level).peak_gflops * threads)};
          }};
}

// A row on its way: the program, and what prepares a step of it.
struct RowRun {
  RowRun(const SuiteRow& row, const SuiteSettings& run_settings, Communicator& run_world)
      : settings(run_settings),
        world(run_world),
        program(program_of(row)),
        normal(stack_loops(normalize(program))) {}

  std::shared_ptr<PreparedStep> prepare(const ExecutionArguments& execution,
                                        const CompilerOptions& options) const {
    return std::make_shared<PreparedStep>(execution, options, program, normal, world);
  }

  const SuiteSettings& settings;
  Communicator& world;
  Program program, normal;
};

// The first step, on values that peers get, too.
Exchange first_step(PreparedStep& prepared, const Program& program, const Program& normal) {
  Exchange exchange;
  exchange.inputs = random_inputs(normal, 0);
  exchange.values = prepared.step.values();
  prepared.step.run();
  for (const Output& output : program.outputs())
    exchange.outputs[output.name] = prepared.step.output(output.name);
  return exchange;
}

void add_peers(RowResult& result, const RowRun& run, PreparedStep& prepared, Peers& peers) {
  const std::vector<std::string>& names = result.row.peers;
  const bool exchanges = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name == "jax" || name == "torch";
  });
  const Exchange exchange = exchanges ? first_step(prepared, run.program, run.normal) : Exchange{};
  for (const std::string& name : names)
    result.contenders.push_back(peers.prepare(name, result.row, run.program, exchange));
}

std::shared_ptr<PreparedStep> tuned_step(const RowRun& run, const CompilerOptions& options) {
  const std::shared_ptr<PreparedStep> first = run.prepare(run.settings.execution, options);
  if (run.settings.tune > 0) tune_step(first->step, run.world, {run.settings.tune, options, true});
  return run.prepare(run.settings.execution, options);
}

void fill(RowResult& result, const Suite& suite, const SuiteSettings& settings,
          const Machine& machine, Peers& peers, Communicator& world) {
  const RowRun run(result.row, settings, world);
  const CompilerOptions fresh = fresh_options(settings.execution, world);
  const bool tuned = settings.against == Against::untuned;
  const CompilerOptions options = tuned ? settings.execution.compiler_options(world) : fresh;
  const std::shared_ptr<PreparedStep> prepared =
      tuned ? tuned_step(run, options) : run.prepare(settings.execution, fresh);
  result.contenders.push_back(contender_of("tessera", prepared));
  if (tuned)
    result.contenders.push_back(contender_of("untuned", run.prepare(settings.execution, fresh)));
  if (settings.against == Against::one_thread) {
    ExecutionArguments single = settings.execution;
    single.threads = 1;
    result.contenders.push_back(
        contender_of("one thread", run.prepare(single, fresh_options(single, world))));
  }
  const Program work = result.row.work.empty() ? run.normal : normalize(work_of(result.row));
  for (const Nest& nest : nests_of(work)) result.flops += operations_of(nest);
  result.least_bytes = least_bytes_of(run.normal);
  if (settings.against == Against::peers) {
    if (suite.measure == Measure::peak) result.contenders.push_back(peak_of(result, settings));
    if (suite.measure == Measure::bandwidth)
      result.contenders.push_back(peers.triad(result.least_bytes));
    add_peers(result, run, *prepared, peers);
  }
  race(result.contenders, settings.seconds);
  if (settings.model)
    result.kernels = kernel_reports(prepared->step, prepared->compiler, options, machine);
  for (const Contender& each : result.contenders)
    if (each.difference && !(*each.difference <= suite.tolerance))
      result.problem = "its values differ from those of " + each.name + " by " +
                       std::to_string(*each.difference) + " of the largest";
}

}  // namespace

const Contender* RowResult::fastest() const {
  const Contender* best = nullptr;
  for (size_t i = 1; i < contenders.size(); ++i)
    if (!contenders[i].seconds.empty() && (!best || contenders[i].median() < best->median()))
      best = &contenders[i];
  return best;
}

double least_bytes_of(const Program& normal) {
  std::set<Tensor> given;
  for (const Nest& nest : nests_of(normal))
    for (const Tensor& tensor : tensors_read(nest.body))
      if (tensor.role() != Role::definition) given.insert(tensor);
  double bytes = 0;
  const auto add = [&bytes](const Tensor& tensor) {
    bytes +=
        static_cast<double>(volume(tensor.dims())) * static_cast<double>(size_of(tensor.type()));
  };
  for (const Tensor& tensor : given) add(tensor);
  for (const Output& output : normal.outputs()) add(output.value);
  for (const Update& update : normal.updates()) add(update.target);
  return bytes;
}

RowResult run_row(const Suite& suite, const SuiteRow& row, const SuiteSettings& settings,
                  const Machine& machine, Peers& peers, Communicator& world) {
  RowResult result;
  result.row = row;
  try {
    fill(result, suite, settings, machine, peers, world);
  } catch (const Error& error) {
    result.problem = error.what();
  }
  return result;
}

}  // namespace tessera
