#pragma once

#include <llvm/IR/Module.h>

#include <string>
#include <vector>

#include "codegen/contraction_schedule.h"

namespace tessera {

// What a contraction's code asks of its caller, for Kernel.
struct ContractionCode {
  llvm::Function* entry = nullptr;
  int64_t chunks = 0;
  size_t scratch_bytes = 0;
  std::vector<std::string> faults;
};

// Adds `void name(void* const* arguments, void* scratch, int64_t begin, int64_t end, int64_t*
// fault)` to the module, its arguments those of ContractionGroup::arguments(). All other functions
// it adds are internal. The code is in SSA form with its vectors and tiles spelled out: it needs no
// optimisation beyond instruction selection (loops must not be unrolled or vectorised again).
// Where the schedule keeps b packed, one more argument, an i1, says that it is, by an earlier call
// with the same scratch. The caller sets the functions' target attributes. The codes of faults
// follow `first_fault`.
ContractionCode emit_contraction(llvm::Module& module, const ContractionPlan& plan,
                                 const std::string& name, size_t first_fault = 0);

}  // namespace tessera
