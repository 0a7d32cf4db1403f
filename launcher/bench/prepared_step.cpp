#include "launcher/bench/prepared_step.h"

#include <algorithm>

#include "base/stopwatch.h"
#include "ir/random_inputs.h"

namespace tessera {
namespace {

Executable timed_make(const ExecutionArguments& execution, const Program& program,
                      const Program& normal, Compiler& compiler, Communicator& world,
                      double& seconds) {
  const Stopwatch start;
  Executable step = execution.make(program, normal, compiler, world);
  seconds = start.seconds();
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
  const Stopwatch start;
  for (int32_t more = 1; more != 0;) {
    const Stopwatch before;
    step.run();
    times.push_back(before.seconds());
    more = times.size() < 5 || start.seconds() < seconds ? 1 : 0;
    world.broadcast(&more, sizeof more, 0);
  }
  std::sort(times.begin(), times.end());
  return times;
}

}  // namespace tessera
