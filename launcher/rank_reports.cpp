#include "launcher/rank_reports.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/read_file.h"
#include "launcher/exit_code.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostReportBytes = size_t{1} << 20;

std::string this_process() {
  const pid_t pid = ::getpid();
  const std::optional<ProcessState> state = process_state(pid);
  return fmt::format("{} {}\n", pid, state ? state->started : 0);
}

}  // namespace

std::optional<RankReports> RankReports::of_environment() {
  const char* folder = std::getenv(kFolderVariable);
  if (folder == nullptr || *folder == '\0') return std::nullopt;
  return RankReports(folder);
}

// What cannot be written leaves the launcher without this report; it has others to go by.
void RankReports::write(const std::string& name, const std::string& text) const {
  const std::string path = folder_ + "/" + name;
  const std::string part = path + ".part";
  std::ofstream file(part, std::ios::binary);
  file << text;
  file.close();
  std::error_code ignored;
  if (file) std::filesystem::rename(part, path, ignored);
}

void RankReports::launcher_is_here() const {
  write("launcher", this_process());
}

void RankReports::started(int rank) const {
  write(fmt::format("pid-{}", rank), this_process());
}

void RankReports::failed(const RankError& error) const {
  write(fmt::format("error-{}", error.rank), fmt::format("{}\n{}", error.code, error.text));
}

WatchedProcess RankReports::read_process(const std::string& name) const {
  std::ifstream file(folder_ + "/" + name);
  WatchedProcess process;
  if (!(file >> process.pid >> process.started)) return {};
  return process;
}

WatchedProcess RankReports::launcher() const {
  return read_process("launcher");
}

std::vector<int> RankReports::not_started(int ranks) const {
  std::vector<int> missing;
  for (int rank = 0; rank < ranks; ++rank)
    if (read_process(fmt::format("pid-{}", rank)).pid == 0) missing.push_back(rank);
  return missing;
}

std::vector<WatchedProcess> RankReports::running(int ranks) const {
  std::vector<WatchedProcess> found;
  for (int rank = 0; rank < ranks; ++rank) {
    const WatchedProcess process = read_process(fmt::format("pid-{}", rank));
    const auto state = process.pid > 1 ? process_state(process.pid) : std::nullopt;
    if (state && !state->ended() && state->started == process.started) found.push_back(process);
  }
  return found;
}

bool RankReports::any_running(int ranks) const {
  return !running(ranks).empty();
}

std::vector<int> RankReports::stopped(int ranks) const {
  std::vector<int> found;
  for (int rank = 0; rank < ranks; ++rank) {
    const WatchedProcess process = read_process(fmt::format("pid-{}", rank));
    const auto state = process.pid > 1 ? process_state(process.pid) : std::nullopt;
    if (state && state->stopped() && state->started == process.started) found.push_back(rank);
  }
  return found;
}

void RankReports::end_ranks(int ranks) const {
  for (const WatchedProcess& process : running(ranks)) ::kill(process.pid, SIGKILL);
}

std::optional<RankError> RankReports::error_of(int rank) const {
  try {
    const auto text = read_regular_file(folder_ + fmt::format("/error-{}", rank), kMostReportBytes);
    if (!text) return std::nullopt;
    RankError error{rank, kJobFailed, ""};
    std::istringstream stream(*text);
    stream >> error.code;
    stream.get();
    std::getline(stream, error.text, '\0');
    return error;
  } catch (const UserError&) {
    return std::nullopt;
  }
}

std::optional<RankError> RankReports::cause(int ranks) const {
  std::optional<RankError> best;
  for (int rank = 0; rank < ranks; ++rank) {
    const std::optional<RankError> error = error_of(rank);
    if (error && (!best || (best->code == kPeerFailed && error->code != kPeerFailed))) best = error;
  }
  return best;
}

std::optional<RankError> RankReports::await_cause(int ranks, double seconds) const {
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    const std::optional<RankError> found = cause(ranks);
    int failed = 0;
    for (int rank = 0; rank < ranks; ++rank) failed += error_of(rank) ? 1 : 0;
    if ((found && found->code != kPeerFailed) || failed == ranks || Clock::now() >= until)
      return found;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace tessera
