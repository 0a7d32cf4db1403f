#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "codegen/gpu/gpu_machine.h"
#include "codegen/gpu/gpu_schedule.h"
#include "codegen/gpu/gpu_target.h"
#include "codegen/gpu/gpu_tile.h"
#include "codegen/kernel_group.h"

namespace tessera {

// One launch of a kernel group on a GPU: a grid of blocks in one dimension.
struct GpuLaunch {
  std::string symbol;
  int64_t blocks = 0;  // 0: there is nothing to do
  int threads = 1;     // of a block
  // The pointers that the kernel takes: places among the group's inputs, then outputs, then
  // workspaces. Behind them it takes one to an i64 for faults (codegen/fault.h).
  std::vector<int> arguments;
  std::string schedule;  // for people

  bool operator==(const GpuLaunch&) const = default;
};

// A kernel group as launches that follow each other.
struct GpuKernel {
  std::string name;
  std::string code;  // PTX, or an object file of the host for the simulated machine
  std::vector<GpuLaunch> launches;
  std::vector<int64_t> workspaces;  // bytes of each, aligned to 16; contents mean nothing
  std::vector<std::string> faults;  // by code - 1

  bool operator==(const GpuKernel&) const = default;
};

// What is launched, with everything decided but the instructions.
using GpuStep = std::variant<GpuNest, GpuTile>;
struct GpuForm {
  std::vector<GpuStep> steps;
  std::vector<int64_t> workspaces;
};
GpuForm gpu_form(const KernelGroup& group, const GpuTarget& target);

// One line a launch, for people.
std::string describe(const GpuForm& form);

// As schedules are for the target, simulated or not.
GpuKernel build_gpu_kernel(const KernelGroup& group, GpuMachine machine, const GpuTarget& target);

// Of its outputs.
std::string name_of(const KernelGroup& group);

// How a program's nests become groups for a GPU: as fuse() does for one thread, and what has few
// results is reduced in more parts; so are contractions whose tiles would not keep a GPU busy.
std::vector<KernelGroup> gpu_groups(const std::vector<Nest>& nests,
                                    const std::set<Tensor>& needed_outside,
                                    const GpuTarget& target);

}  // namespace tessera
