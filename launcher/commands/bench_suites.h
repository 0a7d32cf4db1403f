#pragma once

#include "launcher/commands/commands.h"

namespace tessera {

// The folder bench/ of the checkout that this program was built in.
std::string suites_folder(const CommandLine& line);

// Adds the suites kernels, train and made-up to the command `bench`.
void add_bench_suites(CLI::App& bench, const CommandLine& line, Action& action);

}  // namespace tessera
