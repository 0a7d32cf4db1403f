#pragma once

#include "launcher/commands/commands.h"

namespace tessera {

// Adds `iopddl FILE SECONDS` to the command `bench`.
void add_bench_iopddl(CLI::App& bench, Action& action);

}  // namespace tessera
