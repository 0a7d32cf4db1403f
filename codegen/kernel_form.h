#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "codegen/blocked_group.h"
#include "codegen/contraction_schedule.h"
#include "codegen/cpu_level.h"
#include "codegen/kernel_group.h"
#include "codegen/loop_nest.h"
#include "codegen/schedule_choice.h"

namespace tessera {

struct BuildOptions {
  int workers = 1;           // threads that will share a kernel's chunks
  bool always_tile = false;  // contractions of any size get tiles: for tests
  CpuLevel level = CpuLevel::host;
  BlockLimits blocks = {};  // as for fuse()
};

// A part of a blocked group.
using PartForm = std::variant<ContractionPlan, LoopNest>;

struct BlockedForm {
  BlockedGroup group;
  std::vector<std::vector<PartForm>> parts;  // by variant
};

// A kernel with everything decided but the instructions: a tiled contraction (contraction.h) when
// it is one that is worth it; block by block (blocked_group.h) when it is more than that and more
// than one nest; the general loop nest (lower.h, schedule.h) otherwise.
using KernelForm = std::variant<ContractionPlan, LoopNest, BlockedForm>;

// What build_kernel makes machine code of. A choice that does not fit the group is passed over.
KernelForm kernel_form(const KernelGroup& group, const BuildOptions& options,
                       const std::optional<ScheduleChoice>& choice);

}  // namespace tessera
