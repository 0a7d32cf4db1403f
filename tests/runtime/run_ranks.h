#pragma once

#include <mutex>

#include "comm/local/local_group.h"
#include "ir/random.h"
#include "runtime/device/open_device.h"
#include "runtime/executable.h"

namespace tessera {

// What rank 0 saw of a run: outputs of each step, and the state at the end.
struct RunRecord {
  std::vector<Arrays> outputs;
  Arrays state;
};

// Runs `steps` steps of a program in normal form under a plan, on threads of this process; each
// step is fed the same inputs.
inline RunRecord run_on_local_ranks(const Program& normal, const Plan& plan, const Arrays& inputs,
                                    const Arrays& state, int steps = 1,
                                    const DeviceRequest& request = {.threads = 1}) {
  RunRecord record;
  CommOptions comm;
  comm.timeout = std::chrono::seconds(60);
  run_local_ranks(plan.mesh.ranks(), comm, [&](Communicator& world) {
    Compiler compiler(CompilerOptions{.threads = 1, .worker_threads = 1});
    const std::shared_ptr<ComputeDevice> device = open_device(request, compiler, world);
    Executable executable(normal, plan, compiler, world, {.threads = 1, .device = device});
    for (const auto& [name, array] : state) executable.set_value(name, array);
    for (int step = 0; step < steps; ++step) {
      for (const auto& [name, array] : inputs) executable.feed(name, array);
      executable.run();
      Arrays outputs;
      for (const Output& output : normal.outputs())
        outputs[output.name] = executable.output(output.name);
      if (world.rank() == 0) record.outputs.push_back(std::move(outputs));
    }
    Arrays values = executable.values();
    if (world.rank() == 0) record.state = std::move(values);
  });
  return record;
}

}  // namespace tessera
