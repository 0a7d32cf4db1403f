#include "launcher/bench/prepared_step.h"

#include <algorithm>
#include <chrono>

#include "ir/random_inputs.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Executable timed_make(const ExecutionArguments& execution, const Program& program,
                      const Program& normal, Compiler& compiler, Communicator& world,
                      double& seconds) {
  const Clock::time_point start = Clock::now();
  Executable step = execution.make(program, normal, compiler, world);
  seconds = seconds_since(start);
  return step;
}

}  // namespace

PreparedStep::PreparedStep(const ExecutionArguments& execution, const CompilerOptions& compiling,
                           const Program& program, const Program& normal, Communicator& world)
    : compiler(compiling), step(timed_make(execution, program, normal, compiler, world, seconds)) {
  step.initialize(0);
  for (const auto& [name, array] : random_inputs(normal, 0)) step.feed(name, array);
}

std::vector<double> time_steps(Executable& step, Communicator& world, double seconds) {
  for (int i = 0; i < 2; ++i) step.run();
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  for (int32_t more = 1; more != 0;) {
    const Clock::time_point before = Clock::now();
    step.run();
    times.push_back(seconds_since(before));
    more = times.size() < 5 || seconds_since(start) < seconds ? 1 : 0;
    world.broadcast(&more, sizeof more, 0);
  }
  std::sort(times.begin(), times.end());
  return times;
}

}  // namespace tessera
