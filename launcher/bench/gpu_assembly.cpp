#include "launcher/bench/gpu_assembly.h"

#include <fmt/format.h>

#include "base/error.h"
#include "ir/normalize.h"
#include "launcher/bench/gpu_program.h"

namespace tessera {

std::vector<GpuAssembly> assemble_row(const std::string& ptxas, const Suite& suite,
                                      const SuiteRow& row, const std::vector<std::string>& archs,
                                      const std::string& folder) {
  std::vector<GpuAssembly> result;
  GpuAssembly each;
  each.row = suite.name + "/" + row.name;
  try {
    const Program normal = normalize(program_of(row));
    for (const std::string& arch : archs) {
      const GpuProgram program = gpu_program(normal, gpu_of_arch(arch));
      for (const KernelGroup& group : program.groups) {
        const GpuKernel kernel = build_gpu_kernel(group, GpuMachine::ptx, program.target);
        each.kernel = kernel.name;
        each.arch = arch;
        each.schedules.clear();
        for (const GpuLaunch& launch : kernel.launches) each.schedules.push_back(launch.schedule);
        each.assembly = assemble(ptxas, kernel.code, arch, folder);
        result.push_back(each);
      }
    }
  } catch (const Error& error) {
    each.kernel.clear();
    each.assembly.problem = error.what();
    result.push_back(each);
  }
  return result;
}

std::string text_of(const GpuAssembly& each) {
  if (!each.assembly.problem.empty())
    return fmt::format("{}  {}  {}\n  {}\n", each.row, each.kernel, each.arch,
                       each.assembly.problem);
  std::string text = fmt::format("{}  {}  {}  {} registers, {} B spilled, {} B shared\n", each.row,
                                 each.kernel, each.arch, each.assembly.registers,
                                 each.assembly.spilled_bytes, each.assembly.shared_bytes);
  for (const std::string& schedule : each.schedules) text += "  " + schedule + "\n";
  return text;
}

nlohmann::json json_of(const GpuAssembly& each) {
  nlohmann::json object = {{"row", each.row},
                           {"kernel", each.kernel},
                           {"arch", each.arch},
                           {"assembled", each.assembly.problem.empty()},
                           {"schedules", each.schedules}};
  if (!each.assembly.problem.empty()) {
    object["problem"] = each.assembly.problem;
    return object;
  }
  object["registers"] = each.assembly.registers;
  object["spills"] = each.assembly.spilled_bytes;
  object["shared_bytes"] = each.assembly.shared_bytes;
  return object;
}

}  // namespace tessera
