#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "launcher/bench/ptxas.h"
#include "launcher/bench/suite.h"

namespace tessera {

// One kernel of a row, for one kind of device.
struct GpuAssembly {
  std::string row;     // "memory/gelu"
  std::string kernel;  // of its outputs
  std::string arch;
  std::vector<std::string> schedules;  // of its launches
  Assembly assembly;
};

// Every kernel of the row, for all of `archs`; one without a kernel that says the problem where the
// program cannot be compiled.
std::vector<GpuAssembly> assemble_row(const std::string& ptxas, const Suite& suite,
                                      const SuiteRow& row, const std::vector<std::string>& archs,
                                      const std::string& folder);

std::string text_of(const GpuAssembly& assembly);
nlohmann::json json_of(const GpuAssembly& assembly);

}  // namespace tessera
