#include "launcher/supervise.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <sstream>

#include "base/error.h"
#include "launcher/exit_code.h"
#include "launcher/progress_target.h"
#include "launcher/subprocess.h"
#include "runtime/worker_pool.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolderVariable = "TESSERA_SUPERVISION";

// A folder in memory for everything that the job leaves while it runs; removed at the end.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern =
        fs::exists("/dev/shm") ? "/dev/shm/tessera-XXXXXX" : "/tmp/tessera-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr)
      throw DeviceError("cannot make a folder like " + pattern + ": " + std::strerror(errno));
    path_ = pattern;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string read_all(const fs::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

struct RankError {
  int rank = 0;
  int code = 0;
  std::string text;
};

// The error to show: one that explains itself before one that only says a peer failed.
std::optional<RankError> first_error(const std::string& folder, int ranks) {
  std::optional<RankError> best;
  for (int rank = 0; rank < ranks; ++rank) {
    const fs::path file = fs::path(folder) / fmt::format("error-{}", rank);
    if (!fs::exists(file)) continue;
    std::istringstream stream(read_all(file));
    RankError error{rank, 0, ""};
    stream >> error.code;
    stream.get();
    std::getline(stream, error.text, '\0');
    if (!best || (best->code == kPeerFailed && error.code != kPeerFailed)) best = error;
  }
  return best;
}

// Ends ranks that outlived mpirun: those whose environment names our folder.
void end_leftovers(const std::string& folder, int ranks) {
  for (int rank = 0; rank < ranks; ++rank) {
    std::ifstream stream(fs::path(folder) / fmt::format("pid-{}", rank));
    pid_t pid = 0;
    if (!(stream >> pid) || pid <= 1) continue;
    if (read_all(fmt::format("/proc/{}/environ", pid)).find(folder) != std::string::npos)
      kill(pid, SIGKILL);
  }
}

std::vector<std::string> mpirun_command(const std::vector<std::string>& command, int ranks,
                                        const std::string& folder) {
  std::vector<std::string> argv = {
      "mpirun", "-np", std::to_string(ranks), "--bind-to", "none", "--oversubscribe",
      // Ranks that wait give their core to those that compute.
      "--mca", "mpi_yield_when_idle", "1",
      // Shared memory lies where it is removed whatever happens.
      "--mca", "btl_vader_backing_directory", folder, "--mca", "orte_tmpdir_base", folder,
      // A failing job is reported by us.
      "--mca", "orte_abort_print_stack", "0"};
  if (geteuid() == 0) argv.push_back("--allow-run-as-root");
  argv.insert(argv.end(), {"-x", kFolderVariable, "-x", kTerminalVariable});
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

// What mpirun says about a rank that died without a word of its own.
struct Death {
  int rank = -1;
  std::string how;
};

std::optional<Death> death_in(const std::string& line) {
  static const std::regex pattern(
      R"(process rank (\d+) with PID \d+ on node \S+ exited on (signal \d+ \([^)]*\)))");
  std::smatch match;
  if (!std::regex_search(line, match, pattern)) return std::nullopt;
  return Death{std::stoi(match[1]), match[2]};
}

int report(const ExitStatus& status, const std::string& folder, int ranks,
           const std::optional<Death>& death, const std::string& mpirun_text, int signal) {
  if (status.code() == 0) return kDone;
  if (signal != 0) {
    fmt::print(stderr, "tessera: stopped by signal {} ({})\n", signal, strsignal(signal));
    return kJobFailed;
  }
  if (death) {
    fmt::print(stderr,
               "tessera: rank {} died: {}. The other ranks were stopped; nothing is left running\n",
               death->rank, death->how);
    return kPeerFailed;
  }
  if (const std::optional<RankError> error = first_error(folder, ranks)) {
    fmt::print(stderr, "tessera: {}{}\n", ranks > 1 ? fmt::format("rank {}: ", error->rank) : "",
               error->text);
    return error->code;
  }
  fmt::print(stderr, "{}tessera: mpirun {}\n", mpirun_text, status.text());
  return kJobFailed;
}

}  // namespace

int supervise(const std::vector<std::string>& command, int ranks) {
  const ScratchFolder folder;
  std::optional<Death> death;
  std::string mpirun_text;  // its own banner, shown only when there is no better explanation
  bool banner = false;
  SubprocessOptions options;
  options.argv = mpirun_command(command, ranks, folder.path());
  options.environment = {{kFolderVariable, folder.path()},
                         {"TMPDIR", folder.path()},
                         {kTerminalVariable, terminal_for_ranks()}};
  options.forward = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
  options.on_output = [&](OutputStream stream, std::string_view text) {
    if (stream == OutputStream::out) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
      return;
    }
    const std::string line(text);
    if (!death) death = death_in(line);
    if (line.rfind("-----", 0) == 0) banner = !banner;
    const bool from_mpirun = banner || line.rfind("-----", 0) == 0 ||
                             line.rfind("Primary job", 0) == 0 ||
                             line.find("mpirun noticed that") != std::string::npos;
    if (from_mpirun) {
      mpirun_text += line;
    } else {
      std::fwrite(text.data(), 1, text.size(), stderr);
    }
  };
  Subprocess mpirun(std::move(options));
  const ExitStatus status = *mpirun.wait();
  end_leftovers(folder.path(), ranks);
  return report(status, folder.path(), ranks, death, mpirun_text, mpirun.forwarded_signal());
}

std::string supervision_folder() {
  const char* folder = std::getenv(kFolderVariable);
  return folder == nullptr ? "" : folder;
}

void report_start(const std::string& folder, int rank) {
  std::ofstream(fs::path(folder) / fmt::format("pid-{}", rank)) << getpid() << "\n";
}

void report_error(const std::string& folder, int rank, int exit_code, const std::string& text) {
  std::ofstream(fs::path(folder) / fmt::format("error-{}", rank)) << exit_code << "\n" << text;
}

}  // namespace tessera
