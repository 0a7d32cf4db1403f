#include "launcher/supervise.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

#include "comm/call.h"
#include "launcher/exit_code.h"
#include "launcher/job_output.h"
#include "launcher/job_server.h"
#include "launcher/lasting.h"
#include "launcher/mpirun_command.h"
#include "launcher/orphans.h"
#include "launcher/process_state.h"
#include "launcher/progress_target.h"
#include "launcher/scratch_folder.h"
#include "launcher/standard_streams.h"
#include "launcher/subprocess.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// What went wrong with a job that does not end by itself.
struct Problem {
  std::string text;  // "": nothing
  std::vector<std::string> lost_hosts;
};

// What a rank did when it was last heard of, which may be half a second earlier than its end, and
// what one that lived longer did then, which most often waited for it.
std::string doing_text(const JobServer& server, int rank, int ranks) {
  constexpr double kLost = 2;
  const std::string own = server.doing(rank);
  std::string text = own.empty() ? "" : "; last heard of: " + own;
  const std::vector<int> silent = server.silent(kLost);
  for (int other = 0; other < ranks; ++other) {
    const bool lost = std::find(silent.begin(), silent.end(), other) != silent.end();
    const std::string doing = server.doing(other);
    if (other == rank || lost || doing.empty() || doing == own) continue;
    return text + fmt::format("; rank {} then: {}", other, doing);
  }
  return text;
}

// The ranks of each host, in its order.
std::vector<std::vector<int>> ranks_by_host(const std::vector<Host>& hosts) {
  std::vector<std::vector<int>> all;
  int next = 0;
  for (const Host& host : hosts) {
    all.emplace_back();
    for (int i = 0; i < host.ranks; ++i) all.back().push_back(next++);
  }
  return all;
}

std::string on_host(const SupervisedJob& job, int rank) {
  const auto all = ranks_by_host(job.hosts);
  for (size_t h = 0; h < all.size() && all.size() > 1; ++h)
    if (rank <= all[h].back()) return " on " + job.hosts[h].name;
  return "";
}

// Hosts all of whose ranks are silent count as lost; else it is the ranks that are. What is on the
// host of mpirun cannot be cut off from here.
Problem silence_problem(const SupervisedJob& job, const JobServer& server,
                        const std::vector<int>& silent, double seconds) {
  Problem problem;
  const int ranks = ranks_of(job.hosts);
  const auto say = [&](const std::string& text) {
    problem.text += (problem.text.empty() ? "" : "; ") + text;
  };
  const auto is_silent = [&](int rank) {
    return std::find(silent.begin(), silent.end(), rank) != silent.end();
  };
  const auto by_host = ranks_by_host(job.hosts);
  for (size_t h = 0; h < by_host.size(); ++h) {
    const std::vector<int>& members = by_host[h];
    const bool here = server.process(members.front()).host == this_host_name();
    if (!here && std::all_of(members.begin(), members.end(), is_silent)) {
      problem.lost_hosts.push_back(job.hosts[h].name);
      say(
          fmt::format("host {} ({}) has given no sign of life for {:g} s: it is down, its link is "
                      "cut, or its ranks are stopped{}",
                      job.hosts[h].name, name_ranks(members), seconds,
                      doing_text(server, members.front(), ranks)));
      continue;
    }
    for (const int rank : members)
      if (is_silent(rank))
        say(fmt::format("rank {}{} {} for {:g} s{}", rank, on_host(job, rank),
                        is_stopped_here(server.process(rank)) ? "was stopped (SIGSTOP?)"
                                                              : "has given no sign of life",
                        seconds, doing_text(server, rank, ranks)));
  }
  return problem;
}

// Waits until mpirun has ended, and returns nothing; or until it is clear that it will not, and
// says why.
Problem wait_for_end(Subprocess& mpirun, const JobServer& server, const SupervisedJob& job) {
  constexpr double kPeriod = 0.1;
  constexpr double kEndSeconds = 10;
  // Peers that wait for a lost rank say so after the timeout, and know in what, so they may speak
  // first where that is soon enough.
  constexpr double kPeersFirst = 2;
  const int ranks = ranks_of(job.hosts);
  const double silence = silence_seconds(job.timeout);
  const double patience = silence < job.timeout ? silence : job.timeout + kPeersFirst;
  const double start_limit = start_seconds(ranks, job.timeout);
  const Clock::time_point start = Clock::now();
  bool started = false;
  Lasting stopped, deserted;
  while (!mpirun.wait(kPeriod)) {
    const std::optional<ProcessState> state = process_state(mpirun.pid());
    if (stopped.seconds(state && state->stopped()) >= job.timeout)
      return {fmt::format("mpirun (process {}) was stopped for {:g} s (SIGSTOP?)", mpirun.pid(),
                          job.timeout),
              {}};
    // Ranks of one host fall silent together, but for the time between two signs of life, which is
    // long on a host with much to do.
    if (!server.silent(patience).empty())
      return silence_problem(job, server, server.silent(patience - std::min(5.0, patience / 2)),
                             patience);
    if (!started) {
      const std::vector<int> missing = server.not_started();
      started = missing.empty();
      if (!started && seconds_since(start) >= start_limit)
        return {
            fmt::format("mpirun did not start {} within {:g} s", name_ranks(missing), start_limit),
            {}};
    }
    if (deserted.seconds(started && !server.any_running()) >= kEndSeconds)
      return {fmt::format("mpirun did not end within {:g} s of the end of its ranks", kEndSeconds),
              {}};
  }
  return {};
}

// Which rank died of what: as mpirun says, or, where it only ends like a shell does after a signal,
// by who was gone first.
std::optional<Death> death_of(const ExitStatus& status, const JobServer& server,
                              const JobOutput& output) {
  if (output.death()) return output.death();
  const int signal = status.signalled ? 0 : status.value - 128;
  const std::optional<int> rank = server.first_gone();
  if (!rank || signal <= 0 || signal >= NSIG) return std::nullopt;
  return Death{*rank, fmt::format("signal {} ({})", signal, strsignal(signal))};
}

// Prints why a job failed and returns the exit code.
int report(const SupervisedJob& job, const Subprocess& mpirun, const ExitStatus& status,
           const JobServer& server, const JobOutput& output) {
  const int ranks = ranks_of(job.hosts);
  if (const int signal = mpirun.ending_signal()) {
    print_err("tessera: stopped by signal {} ({})\n", signal, strsignal(signal));
    return kJobFailed;
  }
  if (status.code() == 0) return kDone;
  const std::optional<RankError> error = server.cause();
  const std::optional<Death> death = death_of(status, server, output);
  if (death && (!error || error->code == kPeerFailed)) {
    print_err(
        "tessera: rank {}{} died: {}{}. The other ranks were stopped; nothing is left running\n",
        death->rank, on_host(job, death->rank), death->how, doing_text(server, death->rank, ranks));
    return kPeerFailed;
  }
  if (error) {
    print_err("tessera: {}{}\n",
              ranks > 1 ? fmt::format("rank {}{}: ", error->rank, on_host(job, error->rank)) : "",
              error->text);
    return error->code;
  }
  const std::vector<int> missing = server.not_started();
  // The ranks have said themselves what is wrong with what they were given.
  if (!status.signalled && status.value == kInputWrong) return kInputWrong;
  if (!missing.empty() && !only_this_machine(job.hosts)) {
    print_err(
        "{}tessera: mpirun {} before it had started {}. On {} there must be: a login without a "
        "password (`ssh HOST true`), or Slurm; Open MPI; this program, at the same path\n",
        output.mpirun_text(), status.text(), name_ranks(missing), print_hosts(job.hosts));
    return kPeerFailed;
  }
  print_err("{}tessera: mpirun {}\n", output.mpirun_text(), status.text());
  // Once the ranks have started, mpirun alone ends only when it is told to.
  return status.signalled || missing.empty() ? kPeerFailed : kJobFailed;
}

}  // namespace

double start_seconds(int ranks, double timeout) {
  return std::min(timeout, 30 + 0.1 * ranks);
}

double silence_seconds(double timeout) {
  constexpr double kLongest = 15;
  return std::min(timeout, kLongest);
}

JobEnd supervise(const SupervisedJob& job) {
  const int ranks = ranks_of(job.hosts);
  const bool several = !only_this_machine(job.hosts);
  require_open_files(ranks);
  adopt_orphans();
  const ScratchFolder folder(ranks, !several);
  JobServer server(ranks, several, folder.path(), silence_seconds(job.timeout));
  JobOutput output;
  SubprocessOptions options;
  options.argv = mpirun_command(job.command, job.hosts, folder.path());
  options.environment = {{kJobVariable, print_job_address(server.address())},
                         {kHostsVariable, print_hosts(job.hosts)},
                         {kTerminalVariable, terminal_for_ranks()}};
  // mpirun gives its environment to ranks on other hosts, too, where there is no such folder.
  if (!several) options.environment["TMPDIR"] = folder.path();
  options.forward = {SIGUSR1, SIGUSR2};
  options.ending = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  bool asked = false;
  options.on_signal = [&](int number) {
    if (!job.leaves_on_signal || (number != SIGUSR1 && (asked || number != SIGTERM))) return false;
    asked = true;
    server.ask_to_leave(number);
    return true;
  };
  options.on_output = [&](OutputStream stream, std::string_view text) {
    output.take(stream, text);
  };
  Subprocess mpirun(std::move(options));
  const Problem problem = wait_for_end(mpirun, server, job);
  if (!problem.text.empty()) mpirun.signal(SIGKILL);
  const ExitStatus status = *mpirun.wait();
  // What a rank reported came first, however long mpirun took to end the others.
  const bool unexplained = !server.cause();
  server.end_ranks();
  end_orphans();
  JobEnd end{kPeerFailed, asked || mpirun.ending_signal() != 0, problem.lost_hosts,
             server.last_step()};
  for (const std::string& name : output.lost_hosts())
    if (std::any_of(job.hosts.begin(), job.hosts.end(),
                    [&](const Host& host) { return host.name == name; }))
      end.lost_hosts.push_back(name);
  if (!problem.text.empty() && unexplained) {
    print_err("{}tessera: {}; the job was ended\n", output.mpirun_text(), problem.text);
    return end;
  }
  end.code = report(job, mpirun, status, server, output);
  if (end.code == kDone && output.error() != 0) fail_output(output.error());
  return end;
}

}  // namespace tessera
