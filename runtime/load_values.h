#pragma once

#include <set>
#include <string>
#include <vector>

#include "runtime/executable.h"
#include "storage/match_tensors.h"

namespace tessera {

struct LoadOptions {
  std::vector<RenameRule> rename;   // of the file's names
  std::set<std::string> elsewhere;  // parameters that are given their values elsewhere
  bool states_too = false;          // states must be in the file, as parameters must
};

// What a program takes from files: its parameters, and its states where they are there.
std::vector<WantedTensor> wanted_tensors(const Program& program, const LoadOptions& options);

// Gives parameters and states their values from `file`; each rank reads its part. Returns what was
// found. Throws UserError that lists all that does not fit. Together.
TensorMatch load_values(Executable& executable, const TensorFile& file, const LoadOptions& options);

}  // namespace tessera
