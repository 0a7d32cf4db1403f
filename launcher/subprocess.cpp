#include "launcher/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "launcher/subprocess_signals.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxLine = 64 << 10;
constexpr auto kDrainTime = std::chrono::milliseconds(500);

// Owns what posix_spawn wants to be told.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    // Its own group, no blocked signals, default handlers: what a program expects to start with.
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void redirect(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }

  int run(pid_t& pid, const std::vector<char*>& argv, const std::vector<char*>& environment) {
    // Last, so that it cannot take the place of a pipe when we run without a standard input.
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    return posix_spawnp(&pid, argv[0], &actions_, &attributes_, argv.data(), environment.data());
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> result;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string text = *entry;
    if (!changes.count(text.substr(0, text.find('=')))) result.push_back(text);
  }
  for (const auto& [name, value] : changes) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

void close_descriptor(int& descriptor) {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

}  // namespace

std::string ExitStatus::text() const {
  if (!signalled) return fmt::format("exited with code {}", value);
  return fmt::format("was killed by signal {} ({})", value, ::strsignal(value));
}

Subprocess::Subprocess(SubprocessOptions options) : options_(std::move(options)) {
  TESSERA_CHECK(!options_.argv.empty()) << "a subprocess needs a program";
  if (!options_.forward.empty()) relay_ = std::make_unique<SignalRelay>(options_.forward);
  try {
    start();
  } catch (...) {
    close_pipes();
    throw;
  }
}

void Subprocess::start() {
  SpawnPlan plan;
  int write_ends[2] = {-1, -1};
  const auto close_write_ends = [&] {
    for (int& end : write_ends) close_descriptor(end);
  };
  for (int i = 0; options_.on_output && i < 2; ++i) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      const int error = errno;
      close_write_ends();
      throw DeviceError(std::string("cannot make a pipe: ") + std::strerror(error));
    }
    pipes_[i].descriptor = ends[0];
    pipes_[i].stream = i == 0 ? OutputStream::out : OutputStream::err;
    write_ends[i] = ends[1];
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    plan.redirect(ends[1], i == 0 ? STDOUT_FILENO : STDERR_FILENO);
  }
  std::vector<std::string> environment = merged_environment(options_.environment);
  const int error = plan.run(pid_, pointers(options_.argv), pointers(environment));
  close_write_ends();
  if (error == ENOENT || error == EACCES || error == ENOTDIR || error == ENOEXEC)
    throw UserError("cannot start `" + options_.argv[0] + "`: " + std::strerror(error) +
                    "; is it installed and in PATH?");
  if (error != 0)
    throw DeviceError("cannot start `" + options_.argv[0] + "`: " + std::strerror(error));
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
  if (exit_descriptor_ < 0 && !status_) timeout_ms = std::min(timeout_ms, 50);
  if (::poll(entries, 4, timeout_ms) < 0) {
    if (errno != EINTR)
      throw DeviceError(std::string("cannot wait for a process: ") + std::strerror(errno));
    return;
  }
  for (int i = 0; i < 2; ++i)
    if (entries[i].revents != 0) read_pipe(pipes_[i]);
  while (relay_) {
    const int number = relay_->next();
    if (number == 0) break;
    forwarded_ = number;
    signal(number);
  }
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
