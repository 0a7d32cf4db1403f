#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "launcher/commands/commands.h"
#include "launcher/ranks.h"
#include "runtime/executable.h"

namespace tessera {

// How `eval` and `bench` run a program: on which ranks, and under which plan.
struct ExecutionArguments {
  int ranks = 1;
  int threads = 0;  // per rank; 0: the machine's cores shared out
  std::string transport = "local";
  std::string mesh;
  std::string plan;

  void add_options(CLI::App& command);
  RanksOptions ranks_options(const CommandLine& line) const;
  int threads_on(const Communicator& world) const;
  // Plans `normal` for the world, together, and compiles this rank's part.
  Executable make(const Program& normal, Compiler& compiler, Communicator& world) const;
};

}  // namespace tessera
