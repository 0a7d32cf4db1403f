#pragma once

#include <optional>
#include <string>
#include <variant>

#include "codegen/contraction_schedule.h"
#include "codegen/cpu_level.h"
#include "codegen/kernel_group.h"
#include "codegen/loop_nest.h"
#include "codegen/object_cache.h"
#include "codegen/schedule_choice.h"

namespace tessera {

struct BuildOptions {
  int workers = 1;           // threads that will share a kernel's chunks
  bool always_tile = false;  // contractions of any size get tiles: for tests
  CpuLevel level = CpuLevel::host;
};

// A kernel with everything decided but the instructions.
using KernelForm = std::variant<ContractionPlan, LoopNest>;

// What build_kernel makes machine code of.
KernelForm kernel_form(const KernelGroup& group, const BuildOptions& options,
                       const std::optional<ScheduleChoice>& choice);

// Machine code for a group: a tiled contraction (contraction.h) when it is one that is worth it,
// the general loop nest (lower.h, schedule.h) otherwise. The schedule follows from the group, the
// host and the options.
CompiledObject build_kernel(const KernelGroup& group, const BuildOptions& options);
// The same with the schedule chosen; one that does not fit the group is passed over.
CompiledObject build_kernel(const KernelGroup& group, const BuildOptions& options,
                            const std::optional<ScheduleChoice>& choice);

// Equal keys mean equal objects: a digest of the group up to names (but with them where the text of
// a fault may hold them), of the options and the host, of LLVM's version and of the sources of
// codegen/ and ir/.
std::string key_of_kernel(const KernelGroup& group, const BuildOptions& options);

// The function that an object defines.
inline constexpr const char* kKernelSymbol = "tessera_kernel";

// What build_kernel emits, as LLVM's text.
std::string text_of_kernel(const KernelGroup& group, const BuildOptions& options, bool optimized);

}  // namespace tessera
