#pragma once

#include <CLI/CLI.hpp>

#include "launcher/commands/commands.h"

namespace tessera {

// `tessera bench planner`: predicted and measured step times of the suites' programs, and of random
// plans of them (launcher/bench/plan_timing.h).
void add_bench_planner(CLI::App& bench, const CommandLine& line, Action& action);

}  // namespace tessera
