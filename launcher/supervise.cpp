#include "launcher/supervise.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <regex>

#include "base/error.h"
#include "comm/call.h"
#include "launcher/exit_code.h"
#include "launcher/lasting.h"
#include "launcher/progress_target.h"
#include "launcher/rank_reports.h"
#include "launcher/scratch_folder.h"
#include "launcher/standard_streams.h"
#include "launcher/subprocess.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// mpirun keeps some 40 files open and some for each rank, and waits for ever when it cannot.
void require_open_files(int ranks) {
  const rlim_t needed = 64 + 8 * static_cast<rlim_t>(ranks);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  const rlimit raised{std::min(needed, limit.rlim_max), limit.rlim_max};
  if (raised.rlim_cur < needed || ::setrlimit(RLIMIT_NOFILE, &raised) != 0)
    throw DeviceError(
        fmt::format("{} ranks through mpirun need {} open files, and {} are allowed; raise the "
                    "limit (ulimit -n {}) or use transport: local",
                    ranks, needed, limit.rlim_max, std::max<rlim_t>(1024, needed)));
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
  argv.insert(argv.end(), {"-x", RankReports::kFolderVariable, "-x", kTerminalVariable});
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

// Passes on the lines of the ranks, and keeps those of mpirun itself, which are shown only when
// there is no better explanation.
class JobOutput {
 public:
  void take(OutputStream stream, std::string_view text) {
    if (stream == OutputStream::out) {
      if (const int error = write_out_now(text); error_ == 0) error_ = error;
      return;
    }
    const std::string line(text);
    if (!death_) death_ = death_in(line);
    const bool rule = line.rfind("-----", 0) == 0;
    if (rule) banner_ = !banner_;
    if (banner_ || rule || line.rfind("Primary job", 0) == 0 ||
        line.find("mpirun noticed that") != std::string::npos)
      mpirun_text_ += line;
    else
      write_err(text);
  }

  const std::optional<Death>& death() const { return death_; }
  const std::string& mpirun_text() const { return mpirun_text_; }
  int error() const { return error_; }  // errno of the first line that did not get through

 private:
  std::optional<Death> death_;
  std::string mpirun_text_;
  bool banner_ = false;
  int error_ = 0;
};

// Waits until mpirun has ended, and returns ""; or until it is clear that it will not, and says
// why.
std::string wait_for_end(Subprocess& mpirun, const RankReports& reports, const SupervisedJob& job) {
  constexpr double kPeriod = 0.1;
  constexpr double kEndSeconds = 10;
  const Clock::time_point start = Clock::now();
  const double start_limit = start_seconds(job.ranks, job.timeout);
  bool started = false;
  // Peers that wait for a stopped rank say so after the timeout, and know in what; this is for
  // those that do not wait.
  constexpr double kPeersFirst = 2;
  Lasting stopped;
  Lasting rank_stopped;
  Lasting deserted;
  while (!mpirun.wait(kPeriod)) {
    const std::optional<ProcessState> state = process_state(mpirun.pid());
    if (stopped.seconds(state && state->stopped()) >= job.timeout)
      return fmt::format("mpirun (process {}) was stopped for {:g} s (SIGSTOP?)", mpirun.pid(),
                         job.timeout);
    const std::vector<int> still = reports.stopped(job.ranks);
    if (rank_stopped.seconds(!still.empty()) >= job.timeout + kPeersFirst)
      return fmt::format("{} {} stopped for {:g} s (SIGSTOP?)", name_ranks(still),
                         still.size() == 1 ? "was" : "were", job.timeout + kPeersFirst);
    if (!started) {
      const std::vector<int> missing = reports.not_started(job.ranks);
      started = missing.empty();
      if (!started && seconds_since(start) >= start_limit)
        return fmt::format("mpirun did not start {} within {:g} s", name_ranks(missing),
                           start_limit);
    }
    if (deserted.seconds(started && !reports.any_running(job.ranks)) >= kEndSeconds)
      return fmt::format("mpirun did not end within {:g} s of the end of its ranks", kEndSeconds);
  }
  return "";
}

// Prints why a job failed and returns the exit code.
int report(const SupervisedJob& job, const Subprocess& mpirun, const ExitStatus& status,
           const RankReports& reports, const JobOutput& output) {
  if (const int signal = mpirun.ending_signal()) {
    print_err("tessera: stopped by signal {} ({})\n", signal, strsignal(signal));
    return kJobFailed;
  }
  if (status.code() == 0) return kDone;
  const std::optional<RankError> error = reports.cause(job.ranks);
  if (output.death() && (!error || error->code == kPeerFailed)) {
    print_err("tessera: rank {} died: {}. The other ranks were stopped; nothing is left running\n",
              output.death()->rank, output.death()->how);
    return kPeerFailed;
  }
  if (error) {
    print_err("tessera: {}{}\n", job.ranks > 1 ? fmt::format("rank {}: ", error->rank) : "",
              error->text);
    return error->code;
  }
  print_err("{}tessera: mpirun {}\n", output.mpirun_text(), status.text());
  return status.signalled ? kPeerFailed : kJobFailed;
}

}  // namespace

double start_seconds(int ranks, double timeout) {
  return std::min(timeout, 30 + 0.1 * ranks);
}

int supervise(const SupervisedJob& job) {
  require_open_files(job.ranks);
  const ScratchFolder folder(job.ranks);
  const RankReports reports(folder.path());
  reports.launcher_is_here();
  JobOutput output;
  SubprocessOptions options;
  options.argv = mpirun_command(job.command, job.ranks, folder.path());
  options.environment = {{RankReports::kFolderVariable, folder.path()},
                         {"TMPDIR", folder.path()},
                         {kTerminalVariable, terminal_for_ranks()}};
  options.forward = {SIGUSR1, SIGUSR2};
  options.ending = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  if (job.leaves_on_signal) options.ask_first = {SIGTERM, SIGUSR1};
  options.on_output = [&](OutputStream stream, std::string_view text) {
    output.take(stream, text);
  };
  Subprocess mpirun(std::move(options));
  const std::string problem = wait_for_end(mpirun, reports, job);
  if (!problem.empty()) mpirun.signal(SIGKILL);
  const ExitStatus status = *mpirun.wait();
  // What a rank reported came first, however long mpirun took to end the others.
  const bool unexplained = !reports.cause(job.ranks);
  reports.end_ranks(job.ranks);
  if (!problem.empty() && unexplained) {
    print_err("{}tessera: {}; the job was ended\n", output.mpirun_text(), problem);
    return kPeerFailed;
  }
  const int code = report(job, mpirun, status, reports, output);
  if (code == kDone && output.error() != 0) fail_output(output.error());
  return code;
}

}  // namespace tessera
