#pragma once

#include "launcher/commands/commands.h"

namespace tessera {

// Adds the suite `collectives` to the command `bench`.
void add_bench_collectives(CLI::App& bench, const CommandLine& line, Action& action);

}  // namespace tessera
