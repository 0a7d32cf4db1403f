#include "launcher/bench/ptxas.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "launcher/subprocess.h"

namespace tessera {
namespace {

bool is_program(const std::string& file) {
  return access(file.c_str(), X_OK) == 0;
}

// The sum, or the largest, of the numbers before a word.
template <typename Combine>
int numbers_before(const std::string& text, const std::string& word, const Combine& combine) {
  const std::regex pattern("([0-9]+) " + word);
  int result = 0;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at)
    result = combine(result, std::stoi((*at)[1]));
  return result;
}

}  // namespace

std::optional<std::string> find_ptxas() {
  std::vector<std::string> folders;
  if (const char* home = std::getenv("CUDA_HOME")) folders.push_back(std::string(home) + "/bin");
  folders.push_back("/usr/local/cuda/bin");
  std::istringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string folder; std::getline(path, folder, ':');) folders.push_back(folder);
  for (const std::string& folder : folders)
    if (is_program(folder + "/ptxas")) return folder + "/ptxas";
  return std::nullopt;
}

Assembly parse_assembly(const std::string& lines) {
  const auto larger = [](int a, int b) { return std::max(a, b); };
  Assembly result;
  result.registers = 0;
  const std::regex used("Used ([0-9]+) registers");
  for (std::sregex_iterator at(lines.begin(), lines.end(), used), end; at != end; ++at)
    result.registers = std::max(result.registers, std::stoi((*at)[1]));
  result.shared_bytes = numbers_before(lines, "bytes smem", larger);
  result.spilled_bytes = numbers_before(lines, "bytes spill stores", std::plus<>()) +
                         numbers_before(lines, "bytes spill loads", std::plus<>());
  return result;
}

Assembly assemble(const std::string& ptxas, const std::string& ptx, const std::string& arch,
                  const std::string& folder) {
  const std::string file = folder + "/kernel.ptx";
  std::ofstream(file) << ptx;
  std::string lines;
  SubprocessOptions options;
  options.argv = {ptxas, "-v", "-arch=" + arch, file, "-o", folder + "/kernel.cubin"};
  options.on_output = [&lines](OutputStream, std::string_view text) { lines += text; };
  Subprocess process(std::move(options));
  const std::optional<ExitStatus> status = process.wait(120.0);
  if (!status) {
    process.stop(1);
    return {.problem = "ptxas did not end within 120 s"};
  }
  if (status->code() != 0) return {.problem = "ptxas " + status->text() + ": " + lines};
  return parse_assembly(lines);
}

}  // namespace tessera
