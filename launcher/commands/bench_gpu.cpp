#include "launcher/commands/bench_gpu.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "ir/normalize.h"
#include "launcher/bench/gpu_assembly.h"
#include "launcher/bench/gpu_program.h"
#include "launcher/bench/gpu_row.h"
#include "launcher/exit_code.h"
#include "launcher/json_text.h"
#include "launcher/progress.h"
#include "launcher/ranks.h"
#include "launcher/scratch_folder.h"
#include "launcher/standard_streams.h"

namespace tessera {
namespace {

int64_t rows_of(const std::vector<Suite>& suites) {
  int64_t rows = 0;
  for (const Suite& suite : suites) rows += static_cast<int64_t>(suite.rows.size());
  return rows;
}

// Visits all rows, and shows how far it is.
template <typename Visit>
void each_row(const std::vector<Suite>& suites, const char* what, const Visit& visit) {
  Progress progress(what, rows_of(suites), style_of_stderr());
  int64_t done = 0;
  for (const Suite& suite : suites)
    for (const SuiteRow& row : suite.rows) {
      visit(suite, row);
      progress.update(++done);
    }
  progress.finish();
}

int assemble_all(const std::vector<Suite>& suites, const GpuBenchArguments& arguments) {
  const std::vector<std::string> archs = parse_archs(arguments.assemble);
  const std::optional<std::string> ptxas = find_ptxas();
  if (!ptxas)
    throw UserError(
        "--assemble needs ptxas of the CUDA toolkit, which is neither in CUDA_HOME/bin nor in "
        "/usr/local/cuda/bin nor in PATH: install the toolkit, or set CUDA_HOME");
  const ScratchFolder scratch(1);
  nlohmann::json kernels = nlohmann::json::array();
  int count = 0, failed = 0, spilled = 0;
  each_row(suites, "assemble", [&](const Suite& suite, const SuiteRow& row) {
    for (const GpuAssembly& each : assemble_row(*ptxas, suite, row, archs, scratch.path())) {
      ++count;
      failed += each.assembly.problem.empty() ? 0 : 1;
      spilled += each.assembly.spilled_bytes > 0 ? 1 : 0;
      if (arguments.json)
        kernels.push_back(json_of(each));
      else
        print_out("{}", text_of(each));
    }
  });
  if (arguments.json)
    print_out("{}\n", json_text(nlohmann::json{{"kernels", kernels}}));
  else
    print_out("{} kernels for {}: {} refused, {} with spilled registers\n", count,
              arguments.assemble, failed, spilled);
  return failed > 0 ? kJobFailed : kDone;
}

std::string file_name(const std::string& text) {
  std::string name;
  for (const char c : text) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

int emit_all(const std::vector<Suite>& suites, const GpuBenchArguments& arguments) {
  const std::vector<std::string> archs = parse_archs(arguments.arch);
  if (archs.size() != 1) throw UserError("--arch takes one architecture; found " + arguments.arch);
  std::filesystem::create_directories(arguments.emit);
  int count = 0;
  each_row(suites, "emit", [&](const Suite& suite, const SuiteRow& row) {
    const GpuProgram program = gpu_program(normalize(program_of(row)), gpu_of_arch(archs[0]));
    for (const KernelGroup& group : program.groups) {
      const GpuKernel kernel = build_gpu_kernel(group, GpuMachine::ptx, program.target);
      const std::string file =
          fmt::format("{}/{}.{}.ptx", arguments.emit, file_name(suite.name + "_" + row.name),
                      file_name(kernel.name));
      std::ofstream(file) << kernel.code;
      ++count;
    }
  });
  print_out("{} kernels in {}\n", count, arguments.emit);
  return kDone;
}

struct GpuResults {
  std::string device, arch;
  GpuPeaks peaks;
  std::vector<GpuRow> rows;
};

GpuResults run_rows(const std::vector<Suite>& suites, const GpuBenchArguments& arguments,
                    Communicator& world) {
  const GpuDevice device;
  GpuResults results{device.name(), device.arch(), measure_gpu_peaks(device), {}};
  if (!arguments.json)
    print_out(
        "{}, {}: a copy {:.2f} TB/s; f32 multiply-adds {:.1f} TFLOP/s; mma.sync of bf16 {:.0f} "
        "TFLOP/s\n\n",
        results.device, results.arch, 1e-12 * results.peaks.copy_bytes,
        1e-12 * results.peaks.f32_flops, 1e-12 * results.peaks.bf16_flops);
  each_row(suites, "bench", [&](const Suite& suite, const SuiteRow& row) {
    results.rows.push_back(
        run_gpu_row(device, suite, row, arguments.seconds, arguments.threads, world));
    if (!arguments.json) print_out("{}", text_of(results.rows.back(), results.peaks));
  });
  return results;
}

int run_all(const std::vector<Suite>& suites, const GpuBenchArguments& arguments) {
  GpuResults results;
  const int code =
      run_on_ranks({}, [&](Communicator& world) { results = run_rows(suites, arguments, world); });
  if (code != kDone) return code;
  nlohmann::json rows = nlohmann::json::array();
  bool failed = false;
  for (const GpuRow& row : results.rows) {
    failed = failed || !row.problem.empty();
    rows.push_back(json_of(row));
  }
  if (arguments.json)
    print_out("{}\n", json_text(nlohmann::json{{"device", results.device},
                                               {"arch", results.arch},
                                               {"copy_bytes", results.peaks.copy_bytes},
                                               {"f32_flops", results.peaks.f32_flops},
                                               {"bf16_flops", results.peaks.bf16_flops},
                                               {"rows", rows}}));
  return failed ? kJobFailed : kDone;
}

}  // namespace

std::vector<std::string> parse_archs(const std::string& list) {
  std::vector<std::string> archs;
  std::istringstream stream(list);
  for (std::string arch; std::getline(stream, arch, ',');) {
    const bool named = arch.rfind("sm_", 0) == 0 && arch.size() > 3 && arch.size() <= 6 &&
                       arch.find_first_not_of("0123456789", 3) == std::string::npos;
    if (!named || std::stoi(arch.substr(3)) < 80)
      throw UserError("`" + arch +
                      "` is no architecture that kernels are made for; allowed are sm_80 and "
                      "later ones, such as sm_90 or sm_100, separated by commas");
    archs.push_back(arch);
  }
  if (archs.empty())
    throw UserError("no architecture is given; allowed are sm_80 and later ones, such as sm_90");
  return archs;
}

int bench_gpu(const std::vector<Suite>& suites, const GpuBenchArguments& arguments) {
  if (!arguments.assemble.empty()) return assemble_all(suites, arguments);
  if (!arguments.emit.empty()) return emit_all(suites, arguments);
  if (arguments.run) return run_all(suites, arguments);
  throw UserError(
      "--target nvptx wants one of --run (on this machine's GPU), --assemble ARCHS (by ptxas) and "
      "--emit FOLDER (PTX)");
}

}  // namespace tessera
