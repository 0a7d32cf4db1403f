#include "codegen/gpu/simulate.h"

#include <cstddef>

#include "base/error.h"
#include "codegen/gpu/simulated_block.h"
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
  for (const GpuLaunch& launch : kernel.launches) {
    if (launch.blocks == 0) continue;
    std::vector<void*> pointers;
    for (const int argument : launch.arguments)
      pointers.push_back(places[static_cast<size_t>(argument)]);
    pointers.push_back(&fault);
    const auto entry =
        reinterpret_cast<SimulatedBlock::Entry>(state_->jit.link(kernel.code, launch.symbol));
    for (int64_t block = 0; block < launch.blocks; ++block)
      state_->block.run(entry, pointers.data(), static_cast<int>(block), launch.threads);
  }
  return fault;
}

}  // namespace tessera
