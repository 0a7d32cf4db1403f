#pragma once

#include <functional>
#include <string>

#include "launcher/progress.h"

namespace tessera {

// Where a job shows its progress and in which style: standard error, or, on a rank whose standard
// error mpirun keeps to itself, the terminal of the process that started the job.
struct ProgressTarget {
  ProgressStyle style;
  std::function<void(const std::string&)> write;  // empty: standard error
};
ProgressTarget progress_target();

// For the process that starts ranks: what its children need to find its terminal, as the value of
// the environment variable kTerminalVariable; "" when standard error is none.
inline constexpr const char* kTerminalVariable = "TESSERA_TERMINAL";
std::string terminal_for_ranks();

}  // namespace tessera
