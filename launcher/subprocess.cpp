#include "launcher/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "launcher/spawn.h"
#include "launcher/subprocess_signals.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxLine = 64 << 10;
constexpr auto kDrainTime = std::chrono::milliseconds(500);

}  // namespace

std::string ExitStatus::text() const {
  if (!signalled) return fmt::format("exited with code {}", value);
  return fmt::format("was killed by signal {} ({})", value, ::strsignal(value));
}

Subprocess::Subprocess(SubprocessOptions options) : options_(std::move(options)) {
  TESSERA_CHECK(!options_.argv.empty()) << "a subprocess needs a program";
  std::vector<int> caught = options_.forward;
  caught.insert(caught.end(), options_.ending.begin(), options_.ending.end());
  if (!caught.empty()) relay_ = std::make_unique<SignalRelay>(caught);
  start();
}

void Subprocess::start() {
  std::optional<PipeEnds> output[2];
  for (auto& pipe : output)
    if (options_.on_output) pipe.emplace();
  pid_ = spawn({options_.argv, options_.environment, output[0] ? output[0]->write : -1,
                output[1] ? output[1]->write : -1});
  for (int i = 0; options_.on_output && i < 2; ++i) {
    pipes_[i].descriptor = std::exchange(output[i]->read, -1);
    pipes_[i].stream = i == 0 ? OutputStream::out : OutputStream::err;
    ::fcntl(pipes_[i].descriptor, F_SETFL, O_NONBLOCK);
  }
  exit_descriptor_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
}

Subprocess::~Subprocess() {
  if (!status_) {
    signal(SIGKILL);
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 &&
           errno == EINTR) {
    }
    options_.on_output = nullptr;
    finish();
  }
}

void Subprocess::signal(int number) {
  // The child is reaped only in finish(), so until then the group's number is ours.
  if (!status_) ::kill(-pid_, number);
}

bool Subprocess::ended() {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid_;
}

void Subprocess::poll_once(int timeout_ms) {
  // Without a descriptor for the child's end (kernels before 5.3) it is looked at 20 times a
  // second.
  pollfd entries[4] = {{pipes_[0].descriptor, POLLIN, 0},
                       {pipes_[1].descriptor, POLLIN, 0},
                       {exit_descriptor_, POLLIN, 0},
                       {relay_ ? relay_->descriptor() : -1, POLLIN, 0}};
  if ((exit_descriptor_ < 0 || kill_at_) && !status_) timeout_ms = std::min(timeout_ms, 50);
  if (::poll(entries, 4, timeout_ms) < 0) {
    if (errno != EINTR)
      throw DeviceError(std::string("cannot wait for a process: ") + std::strerror(errno));
    return;
  }
  for (int i = 0; i < 2; ++i)
    if (entries[i].revents != 0) read_pipe(pipes_[i]);
  pass_on_signals();
}

void Subprocess::pass_on_signals() {
  while (const int number = relay_ ? relay_->next() : 0) {
    if (options_.on_signal && options_.on_signal(number)) continue;
    const bool ends = std::count(options_.ending.begin(), options_.ending.end(), number) != 0;
    if (!ends) {
      forwarded_ = number;
      signal(number);
    } else if (ending_ == 0) {
      ending_ = number;
      kill_at_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                    std::chrono::duration<double>(options_.grace_seconds));
      signal(SIGTERM);
    } else {
      kill_at_ = Clock::now();
    }
  }
  if (kill_at_ && Clock::now() >= *kill_at_) signal(SIGKILL);
}

void Subprocess::read_pipe(Pipe& pipe) {
  char buffer[16384];
  const ssize_t got = ::read(pipe.descriptor, buffer, sizeof buffer);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got > 0) pipe.pending.append(buffer, static_cast<size_t>(got));
  if (got <= 0) close_descriptor(pipe.descriptor);
  deliver(pipe, got <= 0);
}

void Subprocess::deliver(Pipe& pipe, bool at_end) {
  size_t start = 0;
  for (size_t end; (end = pipe.pending.find('\n', start)) != std::string::npos; start = end + 1)
    options_.on_output(pipe.stream, std::string_view(pipe.pending).substr(start, end + 1 - start));
  pipe.pending.erase(0, start);
  if (pipe.pending.empty() || (!at_end && pipe.pending.size() < kMaxLine)) return;
  options_.on_output(pipe.stream, pipe.pending);
  pipe.pending.clear();
}

void Subprocess::close_pipes() {
  for (Pipe& pipe : pipes_) close_descriptor(pipe.descriptor);
  close_descriptor(exit_descriptor_);
}

// The child has ended but is not reaped: kill what it left behind, take the rest of the output,
// reap it.
void Subprocess::finish() {
  ::kill(-pid_, SIGKILL);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
  }
  status_ = ExitStatus{info.si_code != CLD_EXITED, info.si_status};
  close_descriptor(exit_descriptor_);
  // A process that left the group may hold a pipe open for ever; output is waited for only so long.
  const auto until = Clock::now() + kDrainTime;
  while (options_.on_output && (pipes_[0].descriptor >= 0 || pipes_[1].descriptor >= 0) &&
         Clock::now() < until)
    poll_once(20);
  for (Pipe& pipe : pipes_)
    if (options_.on_output) deliver(pipe, true);
  close_pipes();
  relay_.reset();
}

std::optional<ExitStatus> Subprocess::wait(std::optional<double> seconds) {
  const auto start = Clock::now();
  while (!status_) {
    if (ended()) {
      finish();
      break;
    }
    int timeout_ms = 60000;
    if (seconds) {
      const double left = *seconds - std::chrono::duration<double>(Clock::now() - start).count();
      if (left <= 0) return std::nullopt;
      timeout_ms = static_cast<int>(std::min(60000.0, std::ceil(left * 1000)));
    }
    poll_once(timeout_ms);
  }
  return status_;
}

ExitStatus Subprocess::stop(double grace_seconds) {
  signal(SIGTERM);
  if (auto status = wait(grace_seconds)) return *status;
  signal(SIGKILL);
  return *wait();
}

}  // namespace tessera
