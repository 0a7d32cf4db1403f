#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "codegen/compile.h"
#include "launcher/commands/commands.h"
#include "launcher/ranks.h"
#include "runtime/device/device_kind.h"
#include "runtime/executable.h"

namespace tessera {

// How `eval` and `bench` run a program: on which ranks, and under which plan.
struct ExecutionArguments {
  std::optional<int> ranks;  // nothing: 1, or those of the mpirun around
  std::string hosts;         // "a:2,b:2"
  std::string hostfile;
  int threads = 0;  // per rank; 0: the machine's cores shared out
  std::string transport = "local";
  std::string mesh;
  std::string plan;
  std::string cluster;  // a file that describes the ranks; "": they find out
  double timeout = 60;  // seconds that any wait for a peer may take
  std::optional<CpuLevel> cpu;
  std::optional<DeviceKind> device;
  bool debug_comm = false;

  void add_options(CLI::App& command);
  void add_rank_options(CLI::App& command);  // without --mesh, --plan and --device
  RanksOptions ranks_options(const CommandLine& line) const;
  int threads_on(const Communicator& world) const;
  CompilerOptions compiler_options(const Communicator& world) const;
  // Plans a program, together, and compiles this rank's part of it; `normal` is its normal form.
  // CommError when the ranks were given different programs.
  Executable make(const Program& program, const Program& normal, Compiler& compiler,
                  Communicator& world) const;
};

}  // namespace tessera
