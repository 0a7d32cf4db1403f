#pragma once

#include <optional>
#include <string>

#include "codegen/kernel_form.h"
#include "codegen/object_cache.h"

namespace tessera {

// Machine code for a group. The schedule follows from the group, the host and the options.
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
