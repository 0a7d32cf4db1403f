#include "launcher/bench/gpu_row.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "ir/normalize.h"
#include "ir/random.h"
#include "ir/random_inputs.h"
#include "launcher/bench/gpu_run.h"
#include "launcher/bench/peers.h"
#include "launcher/bench/prepared_step.h"
#include "launcher/bench/run_suite.h"
#include "launcher/median.h"

namespace tessera {
namespace {

constexpr double kMostInterpreted = 2e7;  // operations
constexpr int kMostRuns = 1000;

// How far two values may be apart that were rounded to the type from nearly the same.
double rounding_of(DType type) {
  return type == DType::bf16 ? 0x1p-7 : type == DType::f16 ? 0x1p-10 : 0;
}

// What a step gives: outputs, and updated values by the name of what is updated.
Arrays results_of(const GpuRun& step, const Program& program) {
  Arrays results;
  for (const Output& output : program.outputs()) results[output.name] = step.output(output);
  for (const Update& update : program.updates())
    results["next " + update.target.name()] = step.updated(update);
  return results;
}

Arrays interpreted(const Program& program, const Arrays& inputs, Arrays state) {
  Arrays results = interpret(program, inputs, state);
  for (const Update& update : program.updates())
    results["next " + update.target.name()] = state.at(update.target.name());
  return results;
}

Arrays computed_here(const Program& program, const Program& normal, int threads,
                     const Arrays& state, Communicator& world) {
  ExecutionArguments execution;
  execution.threads = threads;
  CompilerOptions options = execution.compiler_options(world);
  options.use_cache = false;
  PreparedStep prepared(execution, options, program, normal, world);
  for (const auto& [name, array] : state) prepared.step.set_value(name, array);
  prepared.step.run();
  Arrays results;
  for (const Output& output : normal.outputs())
    results[output.name] = prepared.step.output(output.name);
  for (const Update& update : normal.updates())
    results["next " + update.target.name()] = prepared.step.value(update.target.name());
  return results;
}

void run(GpuRow& result, const GpuDevice& device, const SuiteRow& row, double seconds, int threads,
         Communicator& world) {
  const Program program = program_of(row);
  const Program normal = normalize(program);
  const GpuProgram gpu = gpu_program(normal, device.target());
  const Arrays inputs = random_inputs(normal, 0);
  const Arrays state = initial_state(normal, 0);
  GpuRun step(gpu, inputs, state);
  result.flops = gpu.flops;
  result.least_bytes = least_bytes_of(normal);
  result.launches = step.launches();
  result.compile_seconds = step.compile_seconds();
  step.start();
  step.finish();
  const Arrays found = results_of(step, normal);
  const bool small = gpu.flops < kMostInterpreted && result.least_bytes < kMostInterpreted;
  result.compared = small ? "the interpreter" : "kernels of this host";
  const Arrays wanted = small ? interpreted(normal, inputs, state)
                              : computed_here(program, normal, threads, state, world);
  for (const auto& [name, array] : wanted) {
    const double difference = difference_of(found.at(name), array);
    result.difference = std::max(result.difference, difference);
    result.excess = std::max(result.excess, difference - rounding_of(array.type));
  }
  const std::vector<double> first = device.time(3, [&] { step.start(); });
  const double each = *std::min_element(first.begin(), first.end());
  const int runs = std::clamp(static_cast<int>(seconds / std::max(each, 1e-9)), 5, kMostRuns);
  result.seconds = median_of(device.time(runs, [&] { step.start(); }));
}

}  // namespace

GpuRow run_gpu_row(const GpuDevice& device, const Suite& suite, const SuiteRow& row, double seconds,
                   int threads, Communicator& world) {
  GpuRow result;
  result.name = suite.name + "/" + row.name;
  try {
    run(result, device, row, seconds, threads, world);
    if (!(result.excess <= suite.tolerance))
      result.problem = fmt::format("its values differ from those of {} by {:.2g} of the largest",
                                   result.compared, result.difference);
  } catch (const Error& error) {
    result.problem = error.what();
  }
  return result;
}

std::string text_of(const GpuRow& row, const GpuPeaks& peaks) {
  if (row.seconds == 0) return fmt::format("{}  {}\n", row.name, row.problem);
  const double bytes = row.least_bytes / row.seconds, flops = row.flops / row.seconds;
  std::string text = fmt::format(
      "{}  {:.1f} us  {:.2f} TB/s ({:.0f} % of a copy)  {:.2f} TFLOP/s ({:.0f} % of f32)  {} "
      "launches  off {:.1e} from {}\n",
      row.name, 1e6 * row.seconds, 1e-12 * bytes, 100 * bytes / peaks.copy_bytes, 1e-12 * flops,
      100 * flops / peaks.f32_flops, row.launches, row.difference, row.compared);
  if (!row.problem.empty()) text += "  " + row.problem + "\n";
  return text;
}

nlohmann::json json_of(const GpuRow& row) {
  nlohmann::json object = {{"row", row.name}};
  if (!row.problem.empty()) object["problem"] = row.problem;
  if (row.seconds == 0) return object;
  object.update({{"seconds", row.seconds},
                 {"flops", row.flops},
                 {"least_bytes", row.least_bytes},
                 {"launches", row.launches},
                 {"compile_seconds", row.compile_seconds},
                 {"difference", row.difference},
                 {"compared", row.compared}});
  return object;
}

}  // namespace tessera
