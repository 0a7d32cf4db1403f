#include "codegen/gpu/simulate.h"

#include <cstddef>

#include "base/error.h"
#include "codegen/llvm/jit.h"

namespace tessera {

struct GpuSimulator::State {
  Jit jit{simulated_functions()};
  SimulatedBlock block;
};

GpuSimulator::GpuSimulator() : state_(std::make_unique<State>()) {}
GpuSimulator::~GpuSimulator() = default;

int64_t GpuSimulator::run(const GpuKernel& kernel, const std::vector<void*>& arguments) {
  int64_t fault = 0;
  std::vector<std::vector<std::max_align_t>> workspaces;
  std::vector<void*> places = arguments;
  for (const int64_t bytes : kernel.workspaces) {
    auto& memory =
        workspaces.emplace_back(static_cast<size_t>(bytes) / sizeof(std::max_align_t) + 1);
    places.push_back(memory.data());
  }
  const std::vector<SimulatedBlock::Entry> entries = link(kernel);
  for (size_t i = 0; i < entries.size(); ++i) {
    const GpuLaunch& launch = kernel.launches[i];
    if (launch.blocks == 0) continue;
    std::vector<void*> pointers;
    for (const int argument : launch.arguments)
      pointers.push_back(places[static_cast<size_t>(argument)]);
    pointers.push_back(&fault);
    run_blocks(state_->block, entries[i], launch, pointers);
  }
  return fault;
}

std::vector<SimulatedBlock::Entry> GpuSimulator::link(const GpuKernel& kernel) {
  std::vector<SimulatedBlock::Entry> entries;
  for (const GpuLaunch& launch : kernel.launches)
    entries.push_back(launch.blocks == 0 ? nullptr
                                         : reinterpret_cast<SimulatedBlock::Entry>(
                                               state_->jit.link(kernel.code, launch.symbol)));
  return entries;
}

int64_t GpuSimulator::conflicts() const {
  return state_->block.conflicts();
}

void GpuSimulator::omit(SimulatedBlock::Omissions omissions) {
  state_->block.omit(omissions);
}

void run_blocks(SimulatedBlock& block, SimulatedBlock::Entry entry, const GpuLaunch& launch,
                const std::vector<void*>& pointers) {
  for (int64_t number = 0; number < launch.blocks; ++number)
    block.run(entry, pointers.data(), static_cast<int>(number), launch.threads);
}

}  // namespace tessera
