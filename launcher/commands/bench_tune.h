#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "codegen/tune.h"
#include "runtime/executable.h"

namespace tessera {

// Tunes the kernels of rank 0's part of a step for up to `seconds`, as `compiler` makes them and on
// its worker threads, while the other ranks wait; the kernels that they have in common with it gain
// too. Progress goes to standard error unless `quiet`. The report is empty on other ranks.
// Together.
struct TuneArguments {
  double seconds = 0;
  CompilerOptions compiler;
  bool quiet = false;
};
TuneReport tune_step(const Executable& step, Communicator& world, const TuneArguments& arguments);

// A table of what was tried and what it brought, and the keys that --json adds.
std::string text_of(const TuneReport& report);
nlohmann::json json_of(const TuneReport& report);

}  // namespace tessera
