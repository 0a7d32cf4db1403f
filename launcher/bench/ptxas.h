#pragma once

#include <optional>
#include <string>

namespace tessera {

// What NVIDIA's assembler says of one kernel's PTX.
struct Assembly {
  std::string problem;  // its words where it refuses
  int registers = 0;    // of a thread; the most of all entries
  int spilled_bytes = 0;
  int shared_bytes = 0;
};

// $CUDA_HOME/bin/ptxas, /usr/local/cuda/bin/ptxas, or that in PATH; nothing where there is none.
std::optional<std::string> find_ptxas();

// Assembles for "sm_90" and so on; files lie in `folder` meanwhile. Throws UserError when the
// program cannot be started.
Assembly assemble(const std::string& ptxas, const std::string& ptx, const std::string& arch,
                  const std::string& folder);

// The numbers of `ptxas -v`, from its lines.
Assembly parse_assembly(const std::string& lines);

}  // namespace tessera
