#include "launcher/process_state.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <string>

namespace tessera {

std::optional<ProcessState> process_state(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // "PID (NAME) LETTER PARENT …", where the name may hold anything; the start is word 22.
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream words(line.substr(name_end + 1));
  ProcessState state;
  words >> state.letter >> state.parent;
  std::string skipped;
  for (int word = 5; word < 22; ++word) words >> skipped;
  if (!(words >> state.started)) return std::nullopt;
  return state;
}

}  // namespace tessera
